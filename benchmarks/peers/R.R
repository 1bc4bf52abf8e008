# R: lme4 with its default control, and the packages that do the rest on its fits.
# Arguments: directory of the frame, formula, reml or ml, operation, what it is about, number of draws.
# Takes the commands of benchmarks/worker.py on standard input and answers each with one line of JSON.
options(warn = -1)
arguments <- commandArgs(trailingOnly = TRUE)
names(arguments) <- c("directory", "formula", "scale", "operation", "about", "draws")

json <- function(value) {
  if (is.list(value)) {
    inside <- paste0('"', names(value), '": ', vapply(value, json, ""), collapse = ", ")
    return(paste0("{", inside, "}"))
  }
  if (is.numeric(value)) {
    numbers <- ifelse(is.finite(value), sprintf("%.17g", value), "null")
    return(if (length(value) == 1) numbers else paste0("[", paste(numbers, collapse = ", "), "]"))
  }
  if (is.logical(value)) tolower(as.character(value))
  else encodeString(gsub("[[:space:]]+", " ", value), quote = '"')
}

answer <- function(...) {
  cat("@@ ", json(list(...)), "\n", sep = "")
  flush(stdout())
}

unsupported <- function(reason) {
  answer(unsupported = reason)
  quit(status = 0)
}

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

# Columns of a coefficient table as lmerTest prints it
coefficients_of <- function(table) {
  list(std_error = table[, "Std. Error"], df = table[, "df"], statistic = table[, "t value"],
       p_value = table[, "Pr(>|t|)"])
}

# package: what the operation is done with; run: timed, on a fit of lme4; answers: of what run returned
operations <- list(
  fit = list(package = "lme4"),
  summary = list(
    package = "lmerTest",
    run = function(fit) {
      table <- summary(lmerTest::as_lmerModLmerTest(fit))
      capture.output(print(table))
      table
    },
    answers = function(table) coefficients_of(coef(table))
  ),
  "kenward-roger" = list(
    package = "pbkrtest",
    run = function(fit) {
      adjusted <- pbkrtest::vcovAdj(fit)
      beta <- fixef(fit)
      table <- cbind(beta, sqrt(diag(as.matrix(adjusted))))
      df <- vapply(seq_along(beta), function(j) {
        pbkrtest::Lb_ddf(as.numeric(seq_along(beta) == j), vcov(fit), adjusted)
      }, 0)
      t <- table[, 1] / table[, 2]
      matrix(c(table[, 2], df, t, 2 * pt(-abs(t), df)), ncol = 4,
             dimnames = list(names(beta), c("Std. Error", "df", "t value", "Pr(>|t|)")))
    },
    answers = coefficients_of
  ),
  bootstrap = list(
    package = "lme4",
    run = function(fit) {
      parameters <- function(refit) c(sigma(refit), fixef(refit), getME(refit, "theta"))
      bootMer(fit, parameters, nsim = as.integer(arguments[["draws"]]), seed = 1)
    },
    answers = function(drawn) {
      list(std_error = apply(drawn$t[, seq_len(1 + length(fixef(fitted)))], 2, sd))
    }
  ),
  profile = list(
    package = "lme4",
    run = function(fit) confint(profile(fit)),
    answers = function(table) list(interval = as.vector(t(table)))
  ),
  emmeans = list(
    package = "emmeans",
    run = function(fit) {
      means <- emmeans::emmeans(fit, arguments[["about"]], lmer.df = "kenward-roger")
      summary(pairs(means, adjust = "tukey"), infer = c(TRUE, TRUE))
    },
    answers = function(table) {
      list(estimate = table$estimate, std_error = table$SE, df = table$df, p_value = table$p.value,
           conf_low = table$lower.CL, conf_high = table$upper.CL)
    }
  ),
  influence = list(
    package = "lme4",
    run = function(fit) influence(fit, groups = arguments[["about"]]),
    answers = function(found) {
      without <- function(what) found[[paste0(what, "[-", arguments[["about"]], "]")]]
      variances <- without("var.cov.comps")[, c("v[(Intercept)]", "v[Days]", "sigma^2")]
      list("fixed effects" = as.vector(t(without("fixed.effects"))), variances = as.vector(t(variances)))
    }
  )
)

operation <- operations[[arguments[["operation"]]]]
if (is.null(operation)) unsupported(paste("no", arguments[["operation"]]))
used <- unique(c("lme4", operation$package, if (operation$package == "emmeans") "pbkrtest"))
for (package in used) {
  if (!suppressMessages(requireNamespace(package, quietly = TRUE))) {
    unsupported(paste0("not installed (", package, ")"))
  }
}
suppressMessages(library(lme4))

data <- read_frame(arguments[["directory"]])
formula <- as.formula(arguments[["formula"]])
reml <- arguments[["scale"]] == "reml"
set.seed(1)
small <- data.frame(y = rnorm(40), x = rnorm(40), g = factor(rep(1:8, 5)))
invisible(lmer(y ~ x + (1 | g), small))
invisible(gc())
versions <- lapply(setNames(nm = c(used, "Matrix")), function(package) as.character(packageVersion(package)))
versions <- c(list(R = as.character(getRversion()), "BLAS of R" = basename(extSoftVersion()[["BLAS"]])), versions)
answer(ready = TRUE, versions = versions, package = operation$package)

fitted <- NULL
result <- NULL
timed <- function(call) {
  invisible(gc())
  begun <- Sys.time()
  value <- suppressMessages(call())
  list(seconds = as.numeric(Sys.time()) - as.numeric(begun), value = value)
}
commands <- list(
  fit = function() {
    fitted <<- result <<- NULL
    done <- timed(function() lmer(formula, data, REML = reml))
    fitted <<- done$value
    answer(seconds = done$seconds)
  },
  run = function() {
    if (arguments[["operation"]] == "fit") return(commands$fit())
    result <<- NULL
    done <- timed(function() operation$run(fitted))
    result <<- done$value
    answer(seconds = done$seconds)
  },
  answers = function() {
    if (arguments[["operation"]] != "fit") return(answer(answers = operation$answers(result)))
    said <- fitted@optinfo$conv$lme4$messages
    answer(criterion = if (reml) REMLcrit(fitted) else deviance(fitted, REML = FALSE), reml = reml,
           note = if (length(said)) said[1] else "")
  }
)

input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) == 1) {
  tryCatch(commands[[line]](), error = function(e) answer(error = conditionMessage(e)))
}
