# R's model.matrix() for formulas of all kinds, on a small data frame. Writes model_matrix.json beside this file.
# Run inside this directory: Rscript model_matrix.R
library(jsonlite)
library(splines)

data <- data.frame(
  x = c(1.5, 2, 3.25, 4, 5.5, 7, 8, 9.75, 11, 12.5, 13, 16),
  z = c(2, -1, 0.5, 3, -2, 1, 4, -0.25, 2.5, 0, -3, 1.75),
  year = 2010:2021,
  k = c(3L, 1L, 2L, 3L, 1L, 2L, 3L, 1L, 2L, 3L, 1L, 2L),
  a = c("u", "v", "w", "u", "v", "w", "v", "u", "w", "w", "u", "v"),
  b = c("p", "p", "p", "q", "q", "q", "p", "q", "p", "q", "p", "q"),
  l = c(TRUE, FALSE, TRUE, TRUE, FALSE, FALSE, TRUE, FALSE, TRUE, FALSE, TRUE, FALSE),
  my.var = c(0.1, 0.4, 0.2, 0.8, 0.5, 0.7, 0.3, 0.9, 0.6, 1.1, 1.3, 1.2)
)
new <- data[c(11, 5, 3), ]
new$x <- c(0.5, 6, 20)

formulas <- c(
  "a", "a + b", "0 + a", "a - 1", "0 + a + b", "a * b", "a:b", "0 + a:b", "x + a:b", "a + a:b", "b + a:b",
  "a / b", "b / x", "a / (b + x)", "(a + x) / b", "b %in% a", "(a + b + x)^2", "a * b * x", "a * b - a", "a * b - b:a",
  "a * b * x - a:b:x", "x * a", "0 + x + a", "0 + x:a", "0 + x + x:a", "a:x", "a:b + b:k", "x:z + z:a", "z * x + a * x",
  "l", "0 + l", "l * x", "I(x > 5)", "I(x > 5 & z < 1)", "I(!l)", "I(a == \"u\")",
  "factor(k)", "0 + factor(k)", "factor(k) * x", "factor(a, levels = c(\"w\", \"u\", \"v\"))", "ordered(k)", "ordered(a)",
  "relevel(factor(a), ref = \"v\")", "relevel(factor(a), \"w\") + b",
  "C(factor(a), contr.sum)", "C(factor(a), contr.helmert)", "C(factor(a), contr.poly)",
  "C(factor(a), contr.treatment(c(\"u\", \"v\", \"w\"), base = 2))", "C(factor(a), contr.sum) * C(factor(b), contr.sum)",
  "I(x^2)", "I(x**2)", "I(-x^2)", "I(x^-1)", "I(2 * x + z / 3 - 1)", "I((x + z)^2)", "I(x %% 3)", "I(x %/% 3)", "I(-x %% 3)",
  "x + I(x^2) + I(x^3)", "log(x)", "log(x, 2)", "log(x, base = 10)", "log2(x) + log10(x) + log1p(x)", "sqrt(x) + exp(z)",
  "sin(2 * pi * x / 12) + cos(2 * pi * x / 12)", "tan(z) + abs(z)", "floor(x) + ceiling(z) + sign(z)", "my.var + log(my.var)",
  "ifelse(z > 0, z, 0)", "as.numeric(l)", "poly(x, 2)", "poly(x, 3) * b", "poly(year, 4)", "poly(x, 2, raw = TRUE)",
  "poly(log(x), 2)", "scale(x)", "scale(x, center = FALSE)", "scale(x, scale = FALSE) * a",
  "bs(x, df = 4)", "bs(x, knots = c(4, 9))", "bs(x, df = 5, degree = 2)", "bs(x, df = 6, intercept = TRUE)",
  "bs(x, df = 5, Boundary.knots = c(0, 20))", "ns(x, df = 3)", "ns(x, 2) + a", "ns(x, knots = c(4, 9), Boundary.knots = c(1, 14))",
  "ns(x, df = 4, intercept = TRUE)", "1", "0 + x", "x + 0", "-1 + x", "x + 1", "a + x:a", "(a + b) * x - 1"
)

columns <- function(text) {
  formula <- as.formula(paste("~", text))
  frame <- model.frame(formula, data)
  fitted <- model.matrix(formula, frame)
  terms <- attr(frame, "terms")
  levels <- .getXlevels(terms, frame)
  again <- suppressWarnings(model.matrix(terms, model.frame(terms, new, xlev = levels), contrasts.arg = attr(fitted, "contrasts")))
  list(formula = text, names = I(colnames(fitted)), assign = I(attr(fitted, "assign")),
       rows = unname(fitted), new_rows = unname(again))
}

# contrasts= of factors in a formula
contrasted <- list(
  list(formula = "a * x", contrasts = list(a = "contr.sum")),
  list(formula = "a + b", contrasts = list(a = "contr.helmert", b = "contr.sum")),
  list(formula = "0 + a + b", contrasts = list(a = "contr.sum", b = "contr.sum")),
  list(formula = "a", contrasts = list(a = "contr.poly")),
  list(formula = "a * b", contrasts = list(a = matrix(c(1, -0.5, -0.5, 0, 1, -1), 3), b = "contr.SAS"))
)
with_contrasts <- lapply(contrasted, function(case) {
  fitted <- model.matrix(as.formula(paste("~", case$formula)), data, contrasts.arg = case$contrasts)
  c(case, list(names = I(colnames(fitted)), rows = unname(fitted)))
})

writeLines(toJSON(list(
  generated_by = "model_matrix.R", R = R.version.string, data = data, new = new,
  cases = lapply(formulas, columns), with_contrasts = with_contrasts
), digits = 15, auto_unbox = TRUE, dataframe = "columns", rownames = FALSE), "model_matrix.json")
