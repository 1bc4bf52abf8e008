SCRIPT <- "12_variance.R"; source("lib.R"); suppressPackageStartupMessages({library(RLRsim); library(pbkrtest)})
## Tests of variances by RLRsim's simulated null distributions (one variance alone; one beside others, by REML), whole terms removed
## by ranova, parametric bootstraps of fixed effects by PBmodcomp, and performance's ICC by grouping factor.
NSIM <- 200000; PROBS <- c(0.5, 0.75, 0.9, 0.95, 0.99)
S <- list(
 list(id = "dyestuff", dataset = "Dyestuff", formula = Yield ~ 1 + (1 | Batch), exact = list(list(term = "(1 | Batch)"))),
 list(id = "ratpup", dataset = "RatPupWeight", formula = weight ~ Treatment + sex + Lsize + (1 | Litter), exact = list(list(term = "(1 | Litter)"))),
 list(id = "sleep_slope_only", dataset = "sleepstudy", formula = Reaction ~ Days + (0 + Days | Subject), exact = list(list(term = "Days in (0 + Days | Subject)"))),
 list(id = "oats_block", dataset = "Oats", formula = yield ~ nitro + Variety + (1 | Block), exact = list(list(term = "(1 | Block)"))),
 list(id = "penicillin", dataset = "Penicillin", formula = diameter ~ 1 + (1 | plate) + (1 | sample), exact = list(
   list(term = "(1 | plate)", alone = diameter ~ 1 + (1 | plate), null = diameter ~ 1 + (1 | sample)),
   list(term = "(1 | sample)", alone = diameter ~ 1 + (1 | sample), null = diameter ~ 1 + (1 | plate)))),
 list(id = "pastes", dataset = "Pastes", formula = strength ~ 1 + (1 | batch / cask), exact = list(
   list(term = "(1 | batch)", alone = strength ~ 1 + (1 | batch), null = strength ~ 1 + (1 | batch:cask)))),
 list(id = "orthodont_independent", dataset = "Orthodont", formula = distance ~ age * Sex + (age || Subject), exact = list(
   list(term = "age in (0 + age | Subject)", alone = distance ~ age * Sex + (0 + age | Subject), null = distance ~ age * Sex + (1 | Subject)))),
 list(id = "orthodont_slopes", dataset = "Orthodont", formula = distance ~ age * Sex + (age | Subject), exact = list()),
 list(id = "machines_category", dataset = "Machines", formula = score ~ Machine + (Machine | Worker), exact = list())
)
quantiles <- function(x) list(probs = PROBS, values = unname(quantile(x, PROBS)), zero = mean(x < 1e-8))
fit <- function(sp, formula, reml) { s <- sp; s$formula <- formula; s$reml <- reml; tight(s)$model }
one <- function(sp) {
  d <- load_ds(sp$dataset); .GlobalEnv$.dat <- d
  m <- fit(sp, sp$formula, TRUE); ml <- fit(sp, sp$formula, FALSE)
  exact <- lapply(sp$exact, function(e) {
    if (is.null(e$alone)) {
      a <- exactRLRT(m, nsim = NSIM, seed = 1, gridlength = 400)
      b <- exactLRT(ml, lm(lme4::nobars(sp$formula), d), nsim = NSIM, seed = 1, gridlength = 400)
      list(term = e$term, reml = list(statistic = unname(a$statistic), p = a$p.value, null = quantiles(a$sample)),
           ml = list(statistic = unname(b$statistic), p = b$p.value, null = quantiles(b$sample)))
    } else {
      a <- exactRLRT(fit(sp, e$alone, TRUE), mA = m, m0 = fit(sp, e$null, TRUE), nsim = NSIM, seed = 1, gridlength = 400)
      list(term = e$term, reml = list(statistic = unname(a$statistic), p = a$p.value, null = quantiles(a$sample)))
    } })
  removed <- recs(cbind(term = rownames(t <- as.data.frame(ranova(lmerTest::as_lmerModLmerTest(m), reduce.terms = FALSE))), setNames(t, c("npar", "logLik", "AIC", "LRT", "df", "p"))))
  # performance splits the ICC by factor where there are no slopes only
  by_group <- if (grepl("slope|independent|category", sp$id)) NULL else as.data.frame(performance::icc(m, by_group = TRUE))
  list(id = sp$id, dataset = sp$dataset, csv = paste0(sp$dataset, ".csv"), factors = fac_spec(d, all.vars(sp$formula), attr(d, "was_ordered")), formula = dep(sp$formula),
       results = list(nsim = NSIM, exact = exact, ranova_whole_terms = removed, icc_by_group = if (is.null(by_group)) NULL else nv(setNames(by_group$ICC, by_group$Group))))
}
P <- list(
 list(id = "pb_oats", dataset = "Oats", large = yield ~ nitro * Variety + (1 | Block / Variety), small = yield ~ nitro + (1 | Block / Variety))
)
boot <- function(sp) {
  d <- load_ds(sp$dataset); .GlobalEnv$.dat <- d; s <- sp
  pb <- PBmodcomp(fit(sp, sp$large, FALSE), fit(sp, sp$small, FALSE), nsim = 2000, seed = 1)
  list(id = sp$id, dataset = sp$dataset, csv = paste0(sp$dataset, ".csv"), factors = fac_spec(d, all.vars(sp$large), attr(d, "was_ordered")), large = dep(sp$large), small = dep(sp$small),
       results = list(nsim = 2000, statistic = pb$test["LRT", "stat"], df = pb$test["LRT", "df"], p_naive = pb$test["LRT", "p.value"], p = pb$test["PBtest", "p.value"]))
}
cases <- lapply(S, one); boots <- lapply(P, boot)
out <- list(area = "variance", generated_by = SCRIPT, versions = c(VERS(), list(RLRsim = as.character(packageVersion("RLRsim")))), n_cases = length(cases), cases = lapply(cases, prune), bootstraps = lapply(boots, prune))
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = 1), file.path("..", "variance.json"))
