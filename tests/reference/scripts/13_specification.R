SCRIPT <- "13_specification.R"; source("lib.R"); suppressPackageStartupMessages({ library(car); library(lmtest) })
## Tests of residuals by car, lmtest, nlme and stats on lme4's conditional residuals, and descriptive cells by aggregate and t.test.
S <- list(
 list(id = "spec_sleep_slopes", dataset = "sleepstudy", formula = Reaction ~ Days + (Days | Subject), reml = TRUE, random = ~ Days | Subject, fixed = Reaction ~ Days, group = "Subject"),
 list(id = "spec_ratpup", dataset = "RatPupWeight", formula = weight ~ Treatment + sex + Lsize + (1 | Litter), reml = TRUE, random = ~ 1 | Litter, fixed = weight ~ Treatment + sex + Lsize, group = "Litter"),
 list(id = "spec_orthodont", dataset = "Orthodont", formula = distance ~ age * Sex + (1 | Subject), reml = FALSE, random = ~ 1 | Subject, fixed = distance ~ age * Sex, group = "Subject"),
 list(id = "spec_oats", dataset = "Oats", formula = yield ~ nitro + (1 | Block / Variety), reml = TRUE, random = ~ 1 | Block / Variety, fixed = yield ~ nitro, group = "Block")
)
one <- function(sp) {
  d <- load_ds(sp$dataset); .GlobalEnv$.dat <- d; m <- tight(sp)$model
  e <- resid(m); X <- model.matrix(m)[, -1, drop = FALSE]; g <- factor(d[[sp$group]])
  lev <- leveneTest(e, g, center = median); keep <- table(g)[as.character(g)] >= 3
  if (!all(keep)) lev <- leveneTest(e[keep], droplevels(g[keep]), center = median)
  bp <- bptest(e ~ X)
  box <- Box.test(e, lag = 4, type = "Ljung-Box"); dw <- dwtest(e ~ 1)
  l <- do.call(lme, list(sp$fixed, data = quote(.dat), random = sp$random, method = if (sp$reml) "REML" else "ML",
                         control = lmeControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-10, msTol = 1e-12)))
  # nlme orders the groups by its own factor; the lags are within the innermost one.
  a <- ACF(l, maxLag = 3, resType = "pearson")
  list(id = sp$id, dataset = sp$dataset, csv = paste0(sp$dataset, ".csv"), factors = fac_spec(d, all.vars(sp$formula), attr(d, "was_ordered")),
       formula = dep(sp$formula), reml = sp$reml, family = "gaussian", tags = I(character()), group = sp$group,
       results = list(criterion = as.numeric(-2 * logLik(m)), lme_minus_2_loglik = as.numeric(-2 * logLik(l)),
         levene = list(F = lev[1, "F value"], df1 = lev[1, "Df"], df2 = lev[2, "Df"], p = lev[1, "Pr(>F)"]),
         bptest = list(LM = unname(bp$statistic), df = unname(bp$parameter), p = unname(bp$p.value)),
         box = list(lag = 4, Q = unname(box$statistic), p = unname(box$p.value)), durbin_watson = unname(dw$statistic),
         acf_pearson = list(lag = I(a$lag), value = I(a$ACF))))
}
cases <- lapply(S, one)
cells <- function() {
  d <- load_ds("RatPupWeight"); by <- interaction(d$Treatment, d$sex, sep = "|", drop = TRUE)
  lapply(split(d$weight, by), function(x) { ci <- t.test(x)$conf.int; q <- quantile(x, c(.25, .5, .75), names = FALSE)
    list(n = length(x), mean = mean(x), sd = sd(x), se = sd(x) / sqrt(length(x)), conf_low = ci[1], conf_high = ci[2], q1 = q[1], median = q[2], q3 = q[3], iqr = IQR(x), min = min(x), max = max(x)) })
}
out <- list(area = "specification", generated_by = SCRIPT, versions = c(VERS(), list(lmtest = as.character(packageVersion("lmtest")))), n_cases = length(cases), cases = lapply(cases, prune), describe = cells())
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = 1), file.path("..", "specification.json"))
