# Marginal means and comparisons with the transformation of the response undone: what emmeans reads from the
# formula, and what make.tran is told. Each case names the formula's left side as mixwell is given it.
suppressMessages({library(lme4); library(emmeans); library(jsonlite)})
emm_options(lmer.df = "kenward-roger")
d <- read.csv("../data/RatPupWeight.csv", stringsAsFactors = FALSE)
d$Treatment <- factor(d$Treatment, levels = c("Control", "Low", "High"))
d$sex <- factor(d$sex, levels = c("Male", "Female"))
ctl <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
recs <- function(x) {
  x <- as.data.frame(summary(x, infer = c(TRUE, TRUE), type = "response"))
  names(x)[names(x) %in% c("emmean", "response", "ratio", "estimate")] <- "estimate"
  names(x)[names(x) == "lower.CL"] <- "lower"; names(x)[names(x) == "upper.CL"] <- "upper"
  x <- x[names(x) %in% c("Treatment", "contrast", "estimate", "SE", "df", "lower", "upper")]
  x[] <- lapply(x, function(v) if (is.factor(v)) as.character(v) else v); x
}
tran <- function(type, param, left) {
  linked <- make.tran(type, param)
  list(left = left, fit = with(linked, lmer(linkfun(weight) ~ Treatment * sex + Lsize + (1 | Litter), d, control = ctl)))
}
plain <- function(left) list(left = left, fit = lmer(
  as.formula(paste(left, "~ Treatment * sex + Lsize + (1 | Litter)")), d, control = ctl))
models <- list(
  plain("log(weight)"), plain("log(weight + 1)"), plain("log1p(weight)"), plain("log2(weight)"), plain("log10(weight)"),
  plain("sqrt(weight)"), plain("sqrt(weight + 0.5)"), tran("power", -1, "1/weight"),
  tran("genlog", 3, "log(weight + 3)"), tran("power", 1.5, "weight^1.5"), tran("power", 1/3, "weight^(1/3)"),
  tran("power", -2, "weight^-2"), tran("asin.sqrt", 100, "asin(sqrt(weight/100))"),
  plain("scale(weight)"))
quiet <- suppressMessages
cases <- lapply(models, function(m) {
  means <- quiet(emmeans(m$fit, "Treatment"))
  ratios <- m$left %in% c("log(weight)", "log(weight + 1)")
  list(response = m$left, means = recs(means),
       ratios = if (ratios) recs(pairs(means, adjust = "none")) else NULL)
})
out <- list(area = "responses", generated_by = "14_responses.R",
  versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
                  emmeans = as.character(packageVersion("emmeans")), pbkrtest = as.character(packageVersion("pbkrtest"))),
  n_cases = length(cases), cases = cases)
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = 1), "../responses.json")
