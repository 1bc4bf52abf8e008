# Fixed-effects inference beyond the other scripts: unbalanced factorials, numbers times factors, poly() and bs(),
# nested and crossed, random slopes, three-way interactions, empty cells, no intercept, weights, offsets, log response,
# singular and ML fits: coefficient tables, anova I, II, III, joint tests, marginal means and their contrasts.
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(splines); library(jsonlite)})
options(contrasts = c("contr.treatment", "contr.poly")); emm_options(lmer.df = "kenward-roger")
read <- function(name, ...) { d <- read.csv(file.path("..", "data", paste0(name, ".csv")), stringsAsFactors = FALSE); f <- list(...)
  for (v in names(f)) d[[v]] <- if (is.null(f[[v]]) || identical(f[[v]], TRUE)) factor(d[[v]], levels = sort(unique(as.character(d[[v]])), method = "radix")) else factor(as.character(d[[v]]), levels = f[[v]]); d }
pups <- read("RatPupWeight", Treatment = c("Control", "Low", "High"), sex = c("Male", "Female"), Litter = TRUE)
pups$w <- 1 + (seq_len(nrow(pups)) %% 3); pups$o <- pups$Lsize / 40
oats <- read("Oats", Block = TRUE, Variety = TRUE, nitro = c("0", "0.2", "0.4", "0.6"))[-c(1, 2, 7, 13, 30, 31, 32, 33, 61), ]
cake <- read("cake", recipe = TRUE, temperature = TRUE, replicate = TRUE)[-c(3, 8, 20, 21, 40, 77, 101, 102, 150, 201, 222, 260), ]
sleep <- read("sleepstudy", Subject = TRUE)
dent <- read("Orthodont", Subject = TRUE, Sex = c("Male", "Female"))[-c(5, 17, 18, 40, 90), ]
plates <- read("Penicillin", plate = TRUE, sample = TRUE)[-c(4, 9, 33, 77, 120), ]
math <- read("MathAchieve", School = TRUE, Minority = c("No", "Yes"), Sex = c("Male", "Female"))
math <- math[math$School %in% levels(math$School)[1:25], ]; math$School <- droplevels(math$School)
batches <- read("Dyestuff2", Batch = TRUE); batches$half <- factor(c("a", "b", "b")[seq_len(nrow(batches)) %% 3 + 1])
ctl <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), check.conv.singular = "ignore")
recs <- function(x, ...) { x <- as.data.frame(x, ...); x[] <- lapply(x, function(v) if (is.factor(v)) as.character(v) else v); x }
table_of <- function(x) { x <- as.data.frame(x); x <- cbind(row = rownames(x), x); rownames(x) <- NULL
  names(x) <- c(row = "term", "Sum Sq" = "sum_sq", "Mean Sq" = "mean_sq", NumDF = "num_df", DenDF = "den_df", "F value" = "f_value", "Pr(>F)" = "p_value",
    Estimate = "estimate", "Std. Error" = "std_error", df = "df", "t value" = "statistic", "Pr(>|t|)" = "p_value")[names(x)]; x }
emm <- function(x, ...) { s <- recs(summary(x, infer = c(TRUE, TRUE), ...)); n <- names(s)
  n[n %in% c("emmean", "response", "ratio", "odds.ratio") | grepl("[.]trend$", n)] <- "estimate"
  n <- sub("^SE$", "std_error", sub("^(asymp|lower)[.](LCL|CL)$", "conf_low", sub("^(asymp|upper)[.](UCL|CL)$", "conf_high", sub("^[tz][.]ratio$", "statistic", sub("^p[.]value$", "p_value", n)))))
  names(s) <- n; s$null <- NULL; s }
quiet <- function(x) suppressWarnings(suppressMessages(x))
joint_table <- function(x) { x <- as.data.frame(x); names(x) <- c("model term" = "term", df1 = "num_df", df2 = "den_df", "F.ratio" = "f_value", "p.value" = "p_value", setNames(names(x), names(x)))[names(x)]; recs(x)[setdiff(names(x), "note")] }
one <- function(id, data, formula, means = list(), joint = list(), tests = list(), reml = TRUE, kr = reml, weighted = FALSE) {
  data$w_ <- if (weighted) data$w else 1; environment(formula) <- environment()
  m <- quiet(eval(bquote(lmerTest::lmer(.(formula), data, REML = reml, control = ctl, weights = w_)))); methods <- if (kr) c("Satterthwaite", "Kenward-Roger") else "Satterthwaite"
  out <- list(id = id, formula = paste(deparse(formula, width.cutoff = 500), collapse = ""), reml = reml, singular = isSingular(m), criterion = as.numeric(-2 * logLik(m)), vcov = unname(as.matrix(vcov(m))))
  for (d in methods) { b <- list(coefficients = table_of(coef(summary(m, ddf = d))))
    for (t in c("I", "II", "III")) b[[paste0("anova_", t)]] <- table_of(quiet(anova(m, type = t, ddf = d)))
    out[[if (d == "Satterthwaite") "satterthwaite" else "kenward-roger"]] <- b }
  if (kr) { out$vcov_adjusted <- unname(as.matrix(vcovAdj(m)))
    out$joint <- lapply(joint, function(L) { k <- KRmodcomp(m, L); s <- getKR(k); list(rows = unname(L), num_df = s$ndf, den_df = s$ddf, f_value = s$Fstat, p_value = s$p.value) }) }
  out$means <- lapply(means, function(f) lapply(setNames(c("kenward-roger", "satterthwaite"), c("kenward-roger", "satterthwaite")), function(d) if (d == "kenward-roger" && !kr) NULL else quiet(f(function(...) emmeans(m, ..., lmer.df = d), function(...) emtrends(m, ..., lmer.df = d), m))))
  out$tests <- lapply(tests, function(f) joint_table(quiet(f(m)))); cat(id, isSingular(m), "\n"); out }
unit <- function(p, ...) { k <- c(...); L <- matrix(0, length(k), p); L[cbind(seq_along(k), k)] <- 1; L }
plus <- function(L, i, j, v) { L[i, j] <- v; L }
cases <- list(
  one("three_way", pups, weight ~ Treatment * sex * Lsize + (1 | Litter), joint = list(unit(12, 2, 3), unit(12, 6, 7, 11, 12), plus(unit(12, 2, 5), 1, 4, -0.5)),
    means = list(cells = function(e, t, m) emm(e(~ Treatment * sex, at = list(Lsize = c(8, 14)))), slopes = function(e, t, m) emm(t(~ Treatment * sex, var = "Lsize")),
      slope_pairs = function(e, t, m) emm(pairs(t(~ Treatment | sex, var = "Lsize"), adjust = "none")))),
  one("slopes", pups, weight ~ Treatment * sex + Lsize + (sex | Litter), joint = list(unit(7, 2, 3), unit(7, 6, 7), unit(7, 2, 4, 5)),
    tests = list(sex = function(m) joint_tests(m, by = "sex", lmer.df = "satterthwaite"), Treatment = function(m) joint_tests(m, by = "Treatment", lmer.df = "satterthwaite")),
    means = list(cells = function(e, t, m) emm(e(~ Treatment | sex)), interaction = function(e, t, m) emm(contrast(e(~ Treatment * sex), interaction = "pairwise", adjust = "none")),
      mixed = function(e, t, m) emm(contrast(e(~ Treatment * sex), interaction = c("consec", "eff"), adjust = "none")))),
  one("weights", pups, weight ~ Treatment * sex + Lsize + (1 | Litter), kr = FALSE, weighted = TRUE, means = list(cells = function(e, t, m) emm(e(~ Treatment * sex)))),
  one("offset", pups, weight ~ Treatment + sex + offset(o) + (1 | Litter), joint = list(unit(4, 2, 3)), means = list(margins = function(e, t, m) emm(e(~ Treatment)))),
  one("log_response", pups, log(weight) ~ Treatment * sex + (1 | Litter), joint = list(unit(6, 5, 6)),
    means = list(cells = function(e, t, m) emm(e(~ Treatment | sex, type = "response")), ratios = function(e, t, m) emm(contrast(e(~ Treatment, type = "response"), "trt.vs.ctrl", adjust = "none")),
      revpairwise = function(e, t, m) emm(contrast(e(~ Treatment, type = "response"), "revpairwise", adjust = "none")))),
  one("empty_cell", pups[!(pups$Treatment == "High" & pups$sex == "Male"), ], weight ~ Treatment * sex + Lsize + (1 | Litter), joint = list(unit(6, 2, 3)),
    means = list(cells = function(e, t, m) emm(e(~ Treatment * sex)), margins = function(e, t, m) emm(e(~ Treatment)))),
  one("no_intercept", pups, weight ~ 0 + Treatment + sex:Lsize + (1 | Litter), joint = list(unit(5, 1, 2, 3), unit(5, 4, 5)), means = list(margins = function(e, t, m) emm(e(~ Treatment)))),
  one("poly", pups, weight ~ poly(Lsize, 3) + Treatment + sex + (1 | Litter), joint = list(unit(7, 2, 3, 4), unit(7, 3, 4)), means = list(at = function(e, t, m) emm(e(~ Lsize, at = list(Lsize = c(6, 10, 15)))))),
  one("splines", sleep, Reaction ~ bs(Days, df = 4) + (Days | Subject), joint = list(unit(5, 2, 3, 4, 5)), means = list(at = function(e, t, m) emm(e(~ Days, at = list(Days = c(1, 4.5, 8)))))),
  one("split_plot", oats, yield ~ Variety * nitro + (1 | Block / Variety), joint = list(unit(12, 2, 3), unit(12, 4, 5, 6), unit(12, 7:12)),
    tests = list(all = function(m) joint_tests(m, lmer.df = "satterthwaite"), Variety = function(m) joint_tests(m, by = "Variety", lmer.df = "satterthwaite")),
    means = list(poly = function(e, t, m) emm(contrast(e(~ nitro), "poly", adjust = "none")), consec = function(e, t, m) emm(contrast(e(~ nitro), "consec", adjust = "none")),
      mean_chg = function(e, t, m) emm(contrast(e(~ nitro), "mean_chg", adjust = "none")), del_eff = function(e, t, m) emm(contrast(e(~ nitro), "del.eff", adjust = "none")),
      hommel = function(e, t, m) emm(contrast(e(~ nitro), "pairwise", adjust = "hommel")), hochberg = function(e, t, m) emm(contrast(e(~ nitro), "pairwise", adjust = "hochberg")),
      scheffe = function(e, t, m) emm(contrast(e(~ nitro), "pairwise", adjust = "scheffe")), sidak = function(e, t, m) emm(contrast(e(~ nitro), "eff", adjust = "sidak")),
      dunnett = function(e, t, m) emm(contrast(e(~ nitro), "trt.vs.ctrl", adjust = "mvt", ref = 2)), interaction = function(e, t, m) emm(contrast(e(~ Variety * nitro), interaction = c("pairwise", "poly"), adjust = "none")),
      side_less = function(e, t, m) emm(contrast(e(~ nitro), "consec", adjust = "none"), side = "<"), side_more = function(e, t, m) emm(contrast(e(~ nitro), "consec", adjust = "none"), side = ">", null = 5),
      null = function(e, t, m) emm(contrast(e(~ nitro), "consec", adjust = "none"), null = 10))),
  one("split_plot_sum", transform(oats, Variety = C(Variety, contr.sum), nitro = C(nitro, contr.helmert)), yield ~ Variety * nitro + (1 | Block / Variety)),
  one("cake", cake, angle ~ recipe * temp + (1 | recipe:replicate), joint = list(unit(6, 2, 3), unit(6, 5, 6), plus(unit(6, 4, 5), 2, 6, -1)),
    means = list(slopes = function(e, t, m) emm(t(~ recipe, var = "temp")), slope_pairs = function(e, t, m) emm(pairs(t(~ recipe, var = "temp"), adjust = "holm")))),
  one("growth", dent, distance ~ age * Sex + (age | Subject), joint = list(unit(4, 3, 4), unit(4, 2, 4)), means = list(at = function(e, t, m) emm(e(~ Sex | age, at = list(age = c(8, 14)))), pairs = function(e, t, m) emm(pairs(e(~ Sex | age, at = list(age = c(8, 14))))))),
  one("growth_ml", dent, distance ~ age * Sex + (age | Subject), reml = FALSE, means = list(slopes = function(e, t, m) emm(t(~ Sex, var = "age")))),
  one("crossed", transform(plates, group = factor(c("x", "y", "z"))[as.integer(plate) %% 3 + 1], diameter = diameter), diameter ~ group + (1 | plate) + (1 | sample), joint = list(unit(3, 2, 3)), means = list(pairs = function(e, t, m) emm(pairs(e(~ group), adjust = "none")))),
  one("schools", math, MathAch ~ SES * MEANSES + Sex * Minority + (SES | School), joint = list(unit(7, 2, 3, 6), unit(7, 4, 5, 7)),
    means = list(margins = function(e, t, m) emm(e(~ Sex)), proportional = function(e, t, m) emm(e(~ Sex, weights = "proportional")), slopes = function(e, t, m) emm(t(~ MEANSES, var = "SES", at = list(MEANSES = c(-0.3, 0.3)))))),
  one("nested_factor", transform(pups, room = factor(paste0(substr(Treatment, 1, 1), (as.integer(as.character(Litter)) + (Treatment == "Low" & as.integer(as.character(Litter)) %% 4 == 0)) %% ifelse(Treatment == "High", 3, 2)))), weight ~ Treatment / room + sex + (1 | Litter),
    means = list(rooms = function(e, t, m) emm(e(~ room)), room_pairs = function(e, t, m) emm(pairs(e(~ room), adjust = "none")), margins = function(e, t, m) emm(e(~ Treatment)),
      sexes = function(e, t, m) emm(e(~ sex)), by = function(e, t, m) emm(e(~ sex | Treatment)), weighted = function(e, t, m) emm(e(~ Treatment, weights = "proportional")))),
  one("singular", batches, Yield ~ half + (1 | Batch), joint = list(unit(2, 2)), means = list(margins = function(e, t, m) emm(e(~ half)))))
# Inner and outer terms of nested designs (nlme, Pinheiro & Bates 2000)
pupils <- read("egsingle", schoolid = TRUE, childid = TRUE, female = c("Female", "Male")); pupils$size <- pupils$size / 100
pastes <- read("Pastes", batch = TRUE, cask = TRUE); pastes$k <- factor(c("a", "b")[seq_len(nrow(pastes)) %% 2 + 1]); pastes$side <- factor(c("u", "v")[as.integer(pastes$batch) %% 2 + 1])
strata <- function(fixed, random, data) { m <- nlme::lme(fixed, random = random, data = data, control = nlme::lmeControl(opt = "optim")); a <- anova(m); list(df = as.list(setNames(a$denDF, rownames(a)))) }
nlme <- list(oats = strata(yield ~ Variety * nitro, ~ 1 | Block / Variety, read("Oats", Block = TRUE, Variety = TRUE, nitro = TRUE)),
  pupils = strata(math ~ year * female + size + lowinc, ~ 1 | schoolid / childid, pupils), pastes = strata(strength ~ k * side + cask, ~ 1 | batch / cask, pastes),
  sleep = strata(Reaction ~ Days, ~ Days | Subject, sleep))
versions <- c(list(R = as.character(getRversion())), sapply(c("lme4", "lmerTest", "pbkrtest", "emmeans", "nlme", "jsonlite"), function(p) as.character(packageVersion(p)), simplify = FALSE))
writeLines(toJSON(list(area = "inference", generated_by = "12_inference.R", versions = versions, n_cases = length(cases), cases = cases, nlme = nlme), digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = 1), "../inference.json")
