SCRIPT <- "11_robust.R"; source("lib.R"); suppressPackageStartupMessages(library(clubSandwich))
## Cluster-robust covariance and Satterthwaite tests by clubSandwich, and HTZ tests of all slopes together.
S <- list(
 list(id = "robust_sleep_slopes", dataset = "sleepstudy", formula = Reaction ~ Days + (Days | Subject), reml = TRUE, cluster = "Subject"),
 list(id = "robust_ratpup", dataset = "RatPupWeight", formula = weight ~ Treatment + sex + Lsize + (1 | Litter), reml = TRUE, cluster = "Litter"),
 list(id = "robust_ratpup_slopes_ml", dataset = "RatPupWeight", formula = weight ~ Treatment * sex + Lsize + (sex | Litter), reml = FALSE, cluster = "Litter"),
 list(id = "robust_orthodont", dataset = "Orthodont", formula = distance ~ age * Sex + (1 | Subject), reml = TRUE, cluster = "Subject"),
 list(id = "robust_oats_nested", dataset = "Oats", formula = yield ~ nitro + Variety + (1 | Block / Variety), reml = TRUE, cluster = "Block")
)
one <- function(sp) {
  d <- load_ds(sp$dataset); .GlobalEnv$.dat <- d; m <- tight(sp)$model
  out <- lapply(setNames(c("CR0", "CR1", "CR2"), c("CR0", "CR1", "CR2")), function(k) {
    V <- vcovCR(m, cluster = d[[sp$cluster]], type = k); ct <- coef_test(m, vcov = V, test = "Satterthwaite")
    w <- Wald_test(m, constraints = constrain_zero(2:length(fixef(m))), vcov = V, test = "HTZ")
    list(vcov = mat(V), se = nv(setNames(ct$SE, names(fixef(m)))), df = nv(setNames(ct$df_Satt, names(fixef(m)))), p = nv(setNames(ct$p_Satt, names(fixef(m)))),
         htz = list(F = w$Fstat, num_df = w$df_num, den_df = w$df_denom, p = w$p_val)) })
  vars <- all.vars(sp$formula)
  list(id = sp$id, dataset = sp$dataset, csv = paste0(sp$dataset, ".csv"), factors = fac_spec(d, vars, attr(d, "was_ordered")), formula = dep(sp$formula), reml = sp$reml,
       family = "gaussian", tags = I(character()), cluster = sp$cluster, results = list(criterion = as.numeric(-2 * logLik(m)), fixef = nv(fixef(m)), robust = out))
}
cases <- lapply(S, one)
out <- list(area = "robust", generated_by = SCRIPT, versions = c(VERS(), list(clubSandwich = as.character(packageVersion("clubSandwich")))), n_cases = length(cases), cases = lapply(cases, prune))
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = 1), file.path("..", "robust.json"))
