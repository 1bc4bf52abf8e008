# Reference grids: nested factors however the outer one is stored, numbers inside conditions.
suppressMessages({library(lme4); library(emmeans); library(jsonlite)})
emm_options(lmer.df = "asymptotic")
ctl <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
i <- 0:62
d <- data.frame(
  block = paste0("b", i %/% 7), form = c("ctl", "A", "A", "B", "B", "C", "C")[i %% 7 + 1],
  x = round(2 * sin(1.3 * i) + 0.4, 3), z = round(cos(0.7 * i) - 0.2, 3), t = c("u", "v", "w")[i %% 3 + 1], stringsAsFactors = FALSE)
d$trt <- as.numeric(d$form != "ctl")
d$dose <- ifelse(d$form == "ctl", 0, ifelse(d$form == "A", 10, 25))
d$y <- round(20 + 3 * d$trt + 2 * (d$form == "B") - (d$form == "C") + d$x + 2 * (d$x > 0) - d$z + 4 * sin(3 * i) + 2 * cos(i %/% 7), 3)
stored <- function(name, column) { e <- d; e$outer <- column; e }
outer <- list(
  text = ifelse(d$trt == 1, "yes", "no"), number = d$trt, other_numbers = 3 + 4 * d$trt, logical = d$trt == 1, factor = factor(d$trt),
  ordered = factor(d$trt, ordered = TRUE))
recs <- function(x) {
  x <- as.data.frame(summary(x)); names(x)[names(x) == "emmean"] <- "estimate"
  x <- x[, !names(x) %in% c("df", "asymp.LCL", "asymp.UCL")]
  x[] <- lapply(x, function(v) if (is.factor(v)) as.character(v) else v); x
}
means <- function(formula, specs, data = d, ...) recs(suppressMessages(emmeans(lmer(as.formula(formula), data, control = ctl), specs, ...)))
conditions <- c("y ~ I(x > 0) + t + (1 | block)", "y ~ x * I(x > 0) + t + (1 | block)", "y ~ t * I(x > 0) + z + (1 | block)",
  "y ~ ifelse(x > 0, x, 0) + t + (1 | block)", "y ~ I(x > 0 & z < 0) + t + (1 | block)", "y ~ t * I(abs(x) > 1) + z + (1 | block)")
out <- list(
  area = "grid", generated_by = "14_grid.R",
  versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")), emmeans = as.character(packageVersion("emmeans"))),
  data = as.list(d),
  nested = lapply(outer, function(column) means("y ~ outer / form + x + (1 | block)", "form", stored("outer", column))),
  three = means("y ~ factor(dose) / form + x + (1 | block)", "form"),
  conditions = lapply(setNames(conditions, conditions), function(formula) means(formula, "t")),
  condition_at = means(conditions[2], c("x", "t"), at = list(x = c(-1, 1))),
  proportional_at = means("y ~ x * t + form + (1 | block)", "t", at = list(x = c(-1, 1)), weights = "proportional")
)
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = 1), "../grid.json")
