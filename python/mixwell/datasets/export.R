# Writes the data sets that ship with the package to files/, from the installed R packages:
#   cd python/mixwell/datasets && Rscript export.R
# Per data set: <name>.csv.gz, the rows, and <name>.json, where they come from, their licence, the column kinds, level
# orders and checksum of the rows. LICENCES.md says the same for people, GPL-2 is the licence's text.
suppressMessages({library(lme4); library(nlme); library(mlmRev); library(jsonlite)})

exports <- list(
  cake = c("lme4", "cake"), chem97 = c("mlmRev", "Chem97"), dyestuff = c("lme4", "Dyestuff"),
  dyestuff2 = c("lme4", "Dyestuff2"), egsingle = c("mlmRev", "egsingle"), hsb82 = c("mlmRev", "Hsb82"),
  insteval = c("lme4", "InstEval"), machines = c("nlme", "Machines"), oats = c("nlme", "Oats"),
  orthodont = c("nlme", "Orthodont"), oxboys = c("nlme", "Oxboys"), pastes = c("lme4", "Pastes"),
  penicillin = c("lme4", "Penicillin"), ratpups = c("nlme", "RatPupWeight"), sleepstudy = c("lme4", "sleepstudy"))

fetch <- function(package, object) {
  place <- new.env()
  suppressWarnings(data(list = object, package = package, envir = place))
  if (!exists(object, envir = place, inherits = FALSE))
    assign(object, get(object, envir = as.environment(paste0("package:", package))), envir = place)
  as.data.frame(get(object, envir = place))
}

# Level order "numeric": the values that occur, as numbers, ascending; otherwise the levels are listed.
describe <- function(name, z) {
  if (!is.factor(z)) return(list(name = name, kind = if (is.integer(z)) "integer" else "number"))
  lv <- levels(z)
  spec <- list(name = name, kind = "category", ordered = is.ordered(z), n_levels = length(lv))
  numeric_order <- suppressWarnings(as.character(sort(as.numeric(lv))))
  if (length(lv) > 200 && identical(lv, numeric_order) && nlevels(droplevels(z)) == length(lv)) {
    spec$order <- "numeric"
  } else {
    spec$order <- "listed"
    spec$levels <- I(lv)
  }
  spec
}

sha256 <- function(file) sub(" .*", "", system2("sha256sum", file, stdout = TRUE))

licence <- function(package) packageDescription(package)$License
told <- c("# Data sets of R packages", "",
  "The rows are those of these packages, unchanged; each keeps the licence of its package, whose text is in the file GPL-2.",
  "The studies they come from are cited in the docstrings of `mixwell.datasets`.", "",
  "| file | R package | version | object | licence |", "|---|---|---|---|---|")

for (name in names(exports)) {
  package <- exports[[name]][1]
  object <- exports[[name]][2]
  frame <- fetch(package, object)
  stopifnot(!anyNA(frame))
  file <- file.path("files", paste0(name, ".csv.gz"))
  out <- gzfile(file, "w", compression = 9)
  write.csv(frame, out, row.names = FALSE, quote = which(sapply(frame, is.factor)))
  close(out)
  spec <- list(
    package = package, version = as.character(packageVersion(package)), object = object,
    licence = licence(package), rows = nrow(frame),
    sha256 = sha256(file), columns = unname(Map(describe, names(frame), frame)))
  writeLines(toJSON(spec, auto_unbox = TRUE, pretty = 1), file.path("files", paste0(name, ".json")))
  told <- c(told, sprintf("| %s.csv.gz | %s | %s | %s | %s |", name, package, spec$version, object, spec$licence))
  cat(name, nrow(frame), "rows", file.info(file)$size, "bytes\n")
}

writeLines(told, file.path("files", "LICENCES.md"))
file.copy(file.path(R.home("share"), "licenses", "GPL-2"), "files", overwrite = TRUE)
