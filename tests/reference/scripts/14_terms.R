SCRIPT <- "14_terms.R"; library(jsonlite)  # terms() is of stats: nothing of lib.R is needed
## What stats::terms() makes of sums of terms: some by hand, the rest put together at random.
hand <- c("a * b", "(a + b + c)^2", "a / b / c", "(a + b) / c", "a / (b + c)", "a %in% b", "(a + b) %in% c", "a %in% (b + c)", "a + b - 1",
  "0 + a", "a + 0", "-1 + a", "(0 + a) * b", "(1 + a):b", "a - (b - 1)", "a * b * c - a:b:c", "a * b - b:a", "(a + b + c)^3 - a:b", "a:b + a", "(a + b)^30",
  "a:(b + c)^2", "(a * b)^2", "b:a + a + b", "a / b - a", "a + b %in% a", "(a + b + c + d)^2 - (a + b)^2", "a * (b + c) - c", "d:c:b:a + a:b", "a:a", "-a + a - 1")
set.seed(1); pick <- function(v) v[[sample.int(length(v), 1)]]
sum_of <- function(depth) {
  if (depth == 0 || runif(1) < 0.25) return(pick(c("a", "b", "c", "d", "e")))
  u <- runif(1)
  if (u < 0.2) return(paste0("(", sum_of(depth - 1), " + ", pick(letters[1:5]), ")^", pick(2:4)))
  if (u < 0.35) return(paste0("(", sum_of(depth - 1), ")"))
  if (u < 0.4) return(paste0("(", sum_of(depth - 1), pick(c(" - 1", " + 0", " + 1")), ")"))
  paste(sum_of(depth - 1), pick(c("+", "+", "-", "*", "/", ":", "%in%")), sum_of(depth - 1))
}
formulas <- unique(c(hand, replicate(200, sum_of(4))))
one <- function(f) {
  t <- try(terms(as.formula(paste("y ~", f))), silent = TRUE)
  if (inherits(t, "try-error")) return(NULL)  # x^2^2, and what is left without a term
  factors <- attr(t, "factors")
  list(formula = f, intercept = attr(t, "intercept") == 1,
       terms = I(lapply(seq_along(attr(t, "term.labels")), function(j) I(rownames(factors)[factors[, j] > 0]))))
}
cases <- Filter(Negate(is.null), lapply(formulas, one))
write(toJSON(list(area = "terms", generated_by = SCRIPT, versions = list(R = as.character(getRversion())), n_cases = length(cases), cases = cases), auto_unbox = TRUE, pretty = FALSE, null = "null"), "../terms.json")
cat("wrote terms.json,", length(cases), "formulas\n")
