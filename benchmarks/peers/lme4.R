# lme4, with its default control. Arguments: directory of the frame, formula, reml or ml, operation.
# Answers each line of standard input ("run", "criterion") with one line of JSON, as benchmarks/worker.py does.
options(warn = -1)
arguments <- commandArgs(trailingOnly = TRUE)
answer <- function(...) {
  fields <- list(...)
  values <- vapply(fields, function(v) {
    if (is.null(v) || (is.numeric(v) && !is.finite(v))) "null"
    else if (is.logical(v)) tolower(as.character(v))
    else if (is.numeric(v)) sprintf("%.17g", v)
    else encodeString(gsub("[[:space:]]+", " ", v), quote = '"')
  }, "")
  cat("@@ {", paste0('"', names(fields), '": ', values, collapse = ", "), "}\n", sep = "")
  flush(stdout())
}

if (!suppressMessages(requireNamespace("lme4", quietly = TRUE))) {
  answer(unsupported = "not installed")
  quit(status = 0)
}
suppressMessages(library(lme4))

# frame.tsv: name, kind, number of rows; <index>.bin: float64 or int32 codes; <index>.levels: one level per line
read_frame <- function(directory) {
  schema <- read.delim(file.path(directory, "frame.tsv"), header = FALSE, col.names = c("name", "kind", "rows"),
                       colClasses = c("character", "character", "integer"), quote = "")
  columns <- lapply(seq_len(nrow(schema)), function(j) {
    path <- file.path(directory, paste0(j - 1, ".bin"))
    if (schema$kind[j] == "number") return(readBin(path, "double", schema$rows[j]))
    codes <- readBin(path, "integer", schema$rows[j])
    if (schema$kind[j] == "integer") return(codes)
    labels <- readLines(file.path(directory, paste0(j - 1, ".levels")), encoding = "UTF-8")
    structure(codes + 1L, levels = labels, class = "factor")
  })
  names(columns) <- schema$name
  as.data.frame(columns, optional = TRUE)
}

operations <- list(
  fit = function(formula, data, reml) function() lmer(formula, data, REML = reml)
)

data <- read_frame(arguments[1])
formula <- as.formula(arguments[2])
reml <- arguments[3] == "reml"
operation <- operations[[arguments[4]]]
if (is.null(operation)) {
  answer(unsupported = paste("no operation", arguments[4]))
  quit(status = 0)
}
call <- operation(formula, data, reml)
set.seed(1)
small <- data.frame(y = rnorm(40), x = rnorm(40), g = factor(rep(1:8, 5)))
invisible(lmer(y ~ x + (1 | g), small))
invisible(gc())
answer(ready = TRUE, R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
       Matrix = as.character(packageVersion("Matrix")), BLAS = basename(extSoftVersion()[["BLAS"]]))

input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) == 1) {
  if (line == "run") {
    result <- NULL
    invisible(gc())
    begun <- Sys.time()
    result <- tryCatch(suppressMessages(call()), error = function(e) e)
    seconds <- as.numeric(Sys.time()) - as.numeric(begun)
    if (inherits(result, "error")) answer(error = conditionMessage(result)) else answer(seconds = seconds)
  } else if (line == "criterion") {
    said <- result@optinfo$conv$lme4$messages
    answer(criterion = if (reml) REMLcrit(result) else deviance(result, REML = FALSE), reml = reml,
           note = if (length(said)) said[1] else "")
  }
}
