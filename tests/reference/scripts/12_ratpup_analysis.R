# The rat-pup analysis of the tutorial, step by step, from the raw file.
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(performance); library(car); library(jsonlite)})
emm_options(lmer.df = "kenward-roger")
d <- read.csv("../data/RatPupWeight.csv", stringsAsFactors = FALSE)
d$Treatment <- factor(d$Treatment, levels = c("Control", "Low", "High"))
d$sex <- factor(d$sex, levels = c("Male", "Female"))
d$Litter <- factor(d$Litter)
d$female <- as.numeric(d$sex == "Female")
ctl <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), check.conv.singular = "ignore")
fit <- function(f, ...) lmer(f, d, control = ctl, ...)
quiet <- suppressMessages
table_of <- function(x) { x <- as.data.frame(x); c(list(term = rownames(x)), lapply(as.list(x), as.numeric)) }
variances <- function(m) { v <- as.data.frame(VarCorr(m)); v$grp <- as.character(v$grp); v[, c("grp", "var1", "var2", "vcov", "sdcor")] }
reml <- function(m) as.numeric(REMLcrit(m))

full <- fit(weight ~ Treatment * sex + Lsize + (1 | Litter))
reduced <- fit(weight ~ Treatment + sex + Lsize + (1 | Litter))
independent <- fit(weight ~ Treatment + sex + Lsize + (1 | Litter) + (0 + female | Litter))
correlated <- fit(weight ~ Treatment + sex + Lsize + (sex | Litter))
lrt <- anova(reduced, full, refit = TRUE)
boundary <- ranova(full)
nested <- function(m0, m1) reml(m0) - reml(m1)
high_kr <- function(m) {
  l <- as.numeric(names(fixef(m)) == "TreatmentHigh"); k <- KRmodcomp(m, l)$stats
  list(estimate = sum(l * fixef(m)), std_error = sqrt(sum(l * (vcovAdj(m) %*% l))), df = k$ddf, p_value = k$p.value)
}
means <- quiet(emmeans(reduced, "Treatment"))
set.seed(1); pairs <- as.data.frame(summary(contrast(means, "trt.vs.ctrl", adjust = "mvt"), infer = c(TRUE, TRUE)))
r <- residuals(reduced); X <- model.matrix(reduced)
auxiliary <- summary(lm(r^2 ~ X[, -1]))$r.squared * length(r)
enough <- d$Litter %in% names(which(table(d$Litter) >= 3))
levene <- leveneTest(r[enough], droplevels(d$Litter[enough]), center = median)
wilk <- function(x) { s <- shapiro.test(as.numeric(x)); list(statistic = unname(s$statistic), p_value = s$p.value) }
r2 <- r2_nakagawa(reduced)
out <- list(
  area = "ratpup_analysis", generated_by = "12_ratpup_analysis.R",
  versions = c(list(R = as.character(getRversion())), sapply(c("lme4", "lmerTest", "pbkrtest", "emmeans", "performance", "car"), function(p) as.character(packageVersion(p)), simplify = FALSE)),
  data = list(n = nrow(d), litters = nlevels(d$Litter), cell_mean = as.vector(tapply(d$weight, list(d$sex, d$Treatment), mean)), cell_sd = as.vector(tapply(d$weight, list(d$sex, d$Treatment), sd))),
  full = list(coefficients = table_of(summary(full)$coefficients), reml = reml(full), variances = variances(full),
              anova_kr = table_of(anova(full, ddf = "Kenward-Roger")), ranova_lrt = boundary$LRT[2]),
  interaction = list(aic = lrt$AIC, bic = lrt$BIC, lrt = lrt$Chisq[2], df = lrt$Df[2], p_value = lrt$`Pr(>Chisq)`[2]),
  reduced = list(coefficients = table_of(summary(reduced)$coefficients), reml = reml(reduced), variances = variances(reduced),
                 icc_adjusted = icc(reduced)$ICC_adjusted, r2_marginal = unname(r2$R2_marginal), r2_conditional = unname(r2$R2_conditional)),
  independent = list(reml = reml(independent), variances = variances(independent)),
  correlated = list(reml = reml(correlated), variances = variances(correlated), lrt = nested(reduced, correlated)),
  high = list(reduced = high_kr(reduced), correlated = high_kr(correlated)),
  means = as.data.frame(means)[, c("emmean", "SE", "df", "lower.CL", "upper.CL")],
  contrasts = pairs[, c("estimate", "SE", "df", "lower.CL", "upper.CL", "p.value")],
  tests = list(residuals = wilk(r), litters = wilk(ranef(reduced)$Litter[, 1]),
               breusch_pagan = list(statistic = auxiliary, df = ncol(X) - 1, p_value = pchisq(auxiliary, ncol(X) - 1, lower.tail = FALSE)),
               brown_forsythe = list(statistic = levene$`F value`[1], df = levene$Df, p_value = levene$`Pr(>F)`[1]))
)
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = 1), "../ratpup_analysis.json")
