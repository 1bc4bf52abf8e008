# Marginal means beyond those of the other scripts: weights, transformed responses, slopes, families of contrasts.
suppressMessages({library(lme4); library(emmeans); library(jsonlite)})
emm_options(lmer.df = "kenward-roger")
d <- read.csv("../data/RatPupWeight.csv", stringsAsFactors = FALSE)
d$Treatment <- factor(d$Treatment, levels = c("Control", "Low", "High"))
d$sex <- factor(d$sex, levels = c("Male", "Female"))
ctl <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
recs <- function(x, ...) {
  x <- as.data.frame(summary(x, ...))
  names(x) <- sub("^(emmean|response|ratio|Lsize.trend|asymp.|lower.CL|upper.CL)$", "\\1", names(x))
  names(x)[names(x) %in% c("emmean", "response", "ratio", "Lsize.trend")] <- "estimate"
  names(x)[names(x) == "lower.CL"] <- "lower"; names(x)[names(x) == "upper.CL"] <- "upper"
  x$null <- NULL
  x[] <- lapply(x, function(v) if (is.factor(v)) as.character(v) else v); x
}
quiet <- suppressMessages
m <- lmer(weight ~ Treatment * sex + Lsize + (1 | Litter), d, control = ctl)
lg <- lmer(log(weight) ~ Treatment * sex + Lsize + I(Lsize^2) + (1 | Litter), d, control = ctl)
sq <- lmer(sqrt(weight) ~ Treatment * sex + (1 | Litter), d, control = ctl)
sl <- lmer(weight ~ Treatment * Lsize + sex + (1 | Litter), d, control = ctl)
empty <- lmer(weight ~ Treatment * sex + (1 | Litter), subset(d, !(Treatment == "High" & sex == "Male")), control = ctl)
e <- quiet(emmeans(m, "Treatment"))
family <- function(method, adjust, ...) recs(contrast(e, method, adjust = adjust, ...), infer = c(TRUE, TRUE))
out <- list(
  area = "emmeans", generated_by = "08_emmeans.R",
  versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
                  emmeans = as.character(packageVersion("emmeans")), pbkrtest = as.character(packageVersion("pbkrtest"))),
  weights = sapply(c("equal", "proportional", "outer", "cells", "flat"), function(w) recs(quiet(emmeans(m, "Treatment", weights = w))), simplify = FALSE),
  at = recs(quiet(emmeans(m, "Treatment", at = list(Lsize = c(10, 14), sex = "Male")))),
  log_response = recs(quiet(emmeans(lg, "Treatment", type = "response"))),
  log_ratios = recs(quiet(pairs(emmeans(lg, "Treatment", type = "response"), adjust = "none")), infer = c(TRUE, TRUE)),
  sqrt_response = recs(quiet(emmeans(sq, "Treatment", type = "response"))),
  slopes = recs(quiet(emtrends(sl, "Treatment", var = "Lsize"))),
  slope_pairs = recs(quiet(pairs(emtrends(sl, "Treatment", var = "Lsize"), adjust = "none"))),
  empty_cell = recs(quiet(emmeans(empty, ~ Treatment * sex))),
  empty_margin = recs(quiet(emmeans(empty, ~ Treatment))),
  families = list(
    pairwise_holm = family("pairwise", "holm"), pairwise_bonferroni = family("pairwise", "bonferroni"),
    pairwise_sidak = family("pairwise", "sidak"), pairwise_fdr = family("pairwise", "fdr"),
    pairwise_tukey = family("pairwise", "tukey"),
    poly_none = family("poly", "none"), eff_fdr = family("eff", "fdr"), consec_none = family("consec", "none"),
    trt.vs.ctrl_none = family("trt.vs.ctrl", "none"), trt.vs.ctrl_none_ref3 = family("trt.vs.ctrl", "none", ref = 3)),
  simple = recs(quiet(pairs(emmeans(m, ~ Treatment | sex), adjust = "tukey")), infer = c(FALSE, TRUE)),
  all_pairs = recs(quiet(pairs(emmeans(m, ~ Treatment * sex), adjust = "none")), infer = c(FALSE, TRUE)),
  tails = list(t = 2 * pt(-c(2.5, 40, 30.45, 1e20), c(1e7, 4000, 32.9, 3.3)), f = pf(300, 3, 2000.5, lower.tail = FALSE),
               q95 = qt(.975, c(1.5, 3.7, 33.3, 1e6)), q20 = qt(.6, c(1.5, 3.7, 33.3, 1e6)))
)
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = 1), "../emmeans.json")
