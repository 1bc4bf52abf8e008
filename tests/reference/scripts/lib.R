## Shared helpers for the R reference cases.
suppressPackageStartupMessages({
  library(lme4); library(lmerTest); library(pbkrtest); library(nlme); library(numDeriv)
  library(jsonlite); library(Matrix); library(emmeans); library(performance); library(minqa)
})
emm_options(pbkrtest.limit = 1e5, lmerTest.limit = 1e5)
options(digits = 15, warn = 1, contrasts = c("contr.treatment", "contr.poly"))
DATADIR <- "../data"
set.seed(20240501)

## ------------------------------------------------------------------ JSON helpers
VERS <- function() {
  pk <- c("lme4","lmerTest","pbkrtest","nlme","glmmTMB","TMB","Matrix","emmeans","performance",
          "insight","car","mlmRev","numDeriv","minqa","nloptr","jsonlite")
  c(list(R = as.character(getRversion())), lapply(setNames(pk, pk), function(p)
    if (requireNamespace(p, quietly = TRUE)) as.character(packageVersion(p)) else NULL))
}
clean <- function(v) { v[is.infinite(v)] <- NA; v }
nv  <- function(x) { n <- names(x); if (is.null(n)) n <- as.character(seq_along(x)); setNames(as.list(clean(unname(x))), n) }
mat <- function(M) { M <- as.matrix(M); list(rows = I(as.character(rownames(M) %||% seq_len(nrow(M)))),
                     cols = I(as.character(colnames(M) %||% seq_len(ncol(M)))), data = unname(clean(M))) }
`%||%` <- function(a, b) if (is.null(a)) b else a
tab <- function(df, rn = rownames(df)) {
  df <- as.data.frame(df)
  setNames(lapply(seq_len(nrow(df)), function(i) lapply(as.list(df[i, , drop = FALSE]), function(z)
    if (is.factor(z)) as.character(z) else if (is.numeric(z)) clean(unname(z)) else unname(z))), rn)
}
recs <- function(df) { df <- as.data.frame(df); rownames(df) <- NULL
  lapply(seq_len(nrow(df)), function(i) lapply(as.list(df[i, , drop = FALSE]), function(z)
    if (is.factor(z)) as.character(z) else if (is.numeric(z)) clean(unname(z)) else unname(z))) }
vsum <- function(x) { x <- unname(as.numeric(x)); list(n = length(x), sum = sum(x), sumsq = sum(x^2), mean = mean(x), sd = sd(x),
   min = min(x), max = max(x), first10 = I(head(x, 10)), last3 = I(tail(x, 3))) }
## drop NULL / NA scalars from named lists (a value that does not exist is absent); arrays are left alone
prune <- function(o) {
  if (!is.list(o) || is.data.frame(o)) return(o)
  nm <- names(o); o2 <- lapply(o, prune)
  if (!is.null(nm)) { drop <- mapply(function(v, k) !(k %in% c("var1", "var2")) && (is.null(v) || (is.list(v) && length(v) == 0 && !inherits(v, "AsIs")) || (is.atomic(v) && length(v) == 1 && !inherits(v, "AsIs") && !is.matrix(v) && is.na(v))), o2, nm); o2 <- o2[!drop] }
  attributes(o2) <- c(attributes(o2)["names"], if (inherits(o, "AsIs")) list(class = "AsIs")); if (is.null(nm)) names(o2) <- NULL
  o2
}
write_cases <- function(cases, file, area, note = NULL) {
  out <- list(area = area, note = note, generated_by = basename(SCRIPT), versions = VERS(), n_cases = length(cases), cases = lapply(unname(cases), prune))
  if (is.null(note)) out$note <- NULL
  writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = 1), file)
  cat("wrote", file, length(cases), "cases", file.info(file)$size, "bytes\n")
}
dep <- function(f) paste(deparse(f, width.cutoff = 500), collapse = " ")

## ------------------------------------------------------------------ data
## original R object -> level order; values are read back from the CSV so that both sides see the same numbers
getR <- function(n) {
  e <- new.env()
  if (n %in% c("Arabidopsis","cake","cbpp","Dyestuff","Dyestuff2","grouseticks","InstEval","Pastes","Penicillin","sleepstudy","VerbAgg"))
    return(get(n, envir = as.environment("package:lme4")))
  for (p in c("nlme","mlmRev","glmmTMB","datasets")) {
    suppressWarnings(data(list = n, package = p, envir = e)); if (exists(n, envir = e, inherits = FALSE)) return(get(n, envir = e)) }
  stop("no data ", n)
}
load_ds <- function(dataset, csv = NULL, levels = NULL) {
  if (is.null(csv)) {
    o <- as.data.frame(getR(dataset)); fac <- names(o)[sapply(o, function(z) is.factor(z) || is.character(z))]
    lv <- lapply(setNames(fac, fac), function(f) if (is.factor(o[[f]])) base::levels(o[[f]]) else sort(unique(o[[f]])))
    ord <- fac[sapply(o[fac], is.ordered)]
    path <- file.path(DATADIR, paste0(dataset, ".csv"))
  } else { path <- csv; lv <- levels; fac <- names(lv); ord <- character() }
  d <- read.csv(path, colClasses = setNames(rep("character", length(fac)), fac), na.strings = c("NA", ""), check.names = FALSE)
  for (f in fac) { if (is.null(lv[[f]])) lv[[f]] <- sort(unique(d[[f]])); z <- factor(d[[f]], levels = lv[[f]]); stopifnot(identical(is.na(z), is.na(d[[f]]))); d[[f]] <- z }
  attr(d, "was_ordered") <- ord
  d
}
fac_spec <- function(d, vars, was_ordered = character(), contr = list()) {
  v <- intersect(vars, names(d)[sapply(d, is.factor)])
  lapply(v, function(f) { L <- base::levels(d[[f]])
    s <- list(name = f, n_levels = length(L), levels = if (length(L) <= 80) I(L) else NULL,
              level_order = if (length(L) <= 80) "as listed" else "as in R (only the order of ranef rows depends on it)",
              contrast = contr[[f]] %||% "contr.treatment")
    if (f %in% was_ordered) s$note <- "an ordered factor in the R package; used here as an unordered factor with this level order"
    if (is.null(s$levels)) s$levels <- NULL
    s })
}

## ------------------------------------------------------------------ optimisation: many starts + Newton polish
CTRL <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e6), calc.derivs = FALSE,
  check.conv.singular = "ignore", check.nobs.vs.nlev = "ignore", check.nobs.vs.rankZ = "ignore", check.nobs.vs.nRE = "ignore",
  check.nlev.gtr.1 = "ignore", check.rankX = "silent.drop.cols", check.scaleX = "ignore")

numgrad <- function(fn, x, big = FALSE) numDeriv::grad(fn, x, method = "Richardson", method.args = list(eps = if (big) 1e-3 else 1e-4, d = if (big) 1e-2 else 1e-3, zero.tol = 1e-5, r = 4))
## Newton iterations with Richardson-extrapolated derivatives; steps must not raise the criterion beyond its rounding noise,
## the iterate with the smallest gradient is returned
newton_polish <- function(fn, par, is_diag, bound0 = TRUE, maxit = 8, verbose = FALSE) {
  ## diagonal elements that are (numerically) zero are tried at exactly zero and then held there
  f <- fn(par); fixed <- rep(FALSE, length(par)); big <- abs(f) > 5000
  if (bound0) for (i in which(is_diag & abs(par) < 2e-3)) { p2 <- par; p2[i] <- 0; f2 <- fn(p2)
    if (f2 <= f + 1e-7) { p3 <- p2; p3[i] <- 1e-2; f3 <- fn(p3); if (f3 >= f2 - 1e-9) { par <- p2; f <- f2; fixed[i] <- TRUE } } }
  free <- which(!fixed)
  if (!length(free)) return(list(par = par, f = f, maxgrad = 0, fixed0 = which(fixed), free = free, H = NULL))
  tol <- 1e-11 + 2e-13 * abs(f); sub <- function(z) { p <- par; p[free] <- z; fn(p) }
  z <- par[free]; g <- numgrad(sub, z, big); H <- NULL; best <- list(z = z, g = max(abs(g)), f = f)
  for (it in seq_len(maxit)) {
    if (max(abs(g)) < 1e-10) break
    if (is.null(H) || it == 3) H <- numDeriv::hessian(sub, z)
    e <- eigen(H, symmetric = TRUE); ev <- pmax(abs(e$values), 1e-7 * max(abs(e$values), 1e-8))
    step <- -drop(e$vectors %*% (crossprod(e$vectors, g) / ev)); step[is.na(step)] <- 0
    lim <- max(abs(step) / (0.2 + abs(z))); if (lim > 1) step <- step / lim
    ok <- FALSE; a <- 1
    for (k in 1:12) { fnew <- sub(z + a * step); if (is.finite(fnew) && fnew <= f + tol) { ok <- TRUE; break }; a <- a / 2 }
    if (!ok) break
    z <- z + a * step; f <- fnew; g <- numgrad(sub, z, big)
    if (verbose) cat("  it", it, "f", format(f, digits = 16), "maxg", max(abs(g)), "step", max(abs(a * step)), "a", a, "\n")
    if (max(abs(g)) < best$g && f <= best$f + tol) best <- list(z = z, g = max(abs(g)), f = min(f, best$f)) else if (it >= 3) break
  }
  par[free] <- best$z
  list(par = par, f = fn(par), maxgrad = best$g, fixed0 = which(fixed), H = H, free = free)
}

lform <- function(sp, REML = sp$reml, formula = sp$formula) {
  a <- list(formula = formula, data = as.name(".dat"), REML = REML, control = CTRL)
  if (!is.null(sp$weights)) a$weights <- as.name(sp$weights)
  if (!is.null(sp$offset)) a$offset <- as.name(sp$offset)
  if (!is.null(sp$contrasts)) a$contrasts <- sp$contrasts
  eval(as.call(c(list(quote(lme4::lFormula)), a)), envir = globalenv())
}
## lme4's C++ objects map the R memory of theta and Lambdat: copy, so that no two deviance functions share it
deepcopy_lmod <- function(lmod) { lmod$reTrms$theta <- lmod$reTrms$theta + 0; L <- lmod$reTrms$Lambdat; L@x <- L@x + 0; lmod$reTrms$Lambdat <- L
  for (k in intersect(c("(offset)", "(weights)"), names(lmod$fr))) lmod$fr[[k]] <- lmod$fr[[k]] + 0; lmod }
devfun_of <- function(lmod) do.call(lme4::mkLmerDevfun, deepcopy_lmod(lmod))

## best theta from several optimisers and starts, then polished.  The search runs in theta * (root mean square of the column of the
## random term), so that badly scaled covariates do no harm.
theta_scale <- function(lmod) { out <- c(); for (i in seq_along(lmod$reTrms$cnms)) { k <- length(lmod$reTrms$cnms[[i]]); Zt <- lmod$reTrms$Ztlist[[i]]; rs <- Matrix::rowSums(Zt^2); n <- ncol(Zt)
  s <- sapply(seq_len(k), function(c) sqrt(sum(rs[seq(c, length(rs), by = k)]) / n)); s[!is.finite(s) | s == 0] <- 1; out <- c(out, unlist(lapply(seq_len(k), function(j) s[j:k]))) }; out }
best_theta <- function(lmod, nstart = 4, big = FALSE, verbose = FALSE) {
  dv <- devfun_of(lmod); lower <- lmod$reTrms$lower; th0 <- lmod$reTrms$theta + 0; is_diag <- lower == 0; sc <- theta_scale(lmod)
  np <- length(th0); trace <- list(); best <- NULL
  fn <- function(p) { v <- tryCatch(dv(as.double(p / sc)), error = function(e) { dv <<- devfun_of(lmod); 1e15 }); if (is.finite(v)) v else 1e15 }  # rebuilt after an error
  upd <- function(nm, par, val) { trace[[nm]] <<- val; if (is.null(best) || val < best$f) best <<- list(par = par, f = val, by = nm) }
  bob <- function(p) minqa::bobyqa(pmax(p, ifelse(is_diag, 0, -Inf)), fn, lower = ifelse(is_diag, 0, -1e7), upper = rep(1e7, np),
                    control = list(rhobeg = min(0.2, 0.5 * max(abs(p), 0.1)), rhoend = 1e-9, maxfun = if (big) 400 else 20000, npt = min(np + 2, 2*np+1)))
  if (np == 1) {
    gr <- c(0, 10^seq(-3, 6, length.out = if (big) 19 else 46)); v <- sapply(gr, fn); upd("zero", 0, v[1])
    loc <- which(v <= c(Inf, head(v, -1)) & v <= c(v[-1], Inf)); loc <- loc[order(v[loc])][seq_len(min(3, length(loc)))]
    for (i in loc) { o <- optimize(fn, c(gr[max(1, i - 1)], gr[min(length(gr), i + 1)]), tol = 1e-11); upd(paste0("Brent_from_grid_", signif(gr[i], 3)), o$minimum, o$objective) }
    if (!big) { r <- bob(th0); upd("bobyqa", r$par, r$fval) }
  } else {
    r <- bob(th0); upd("bobyqa", r$par, r$fval)
    if (!big) {
      o <- nloptr::nloptr(th0, fn, lb = lower, opts = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-10, xtol_rel = 1e-12, ftol_abs = 1e-13, ftol_rel = 0, maxeval = 20000))
      upd("nloptwrap", o$solution, o$objective)
      o <- nlminb(th0, fn, lower = lower, control = list(iter.max = 2000, eval.max = 4000, rel.tol = 1e-14)); upd("nlminb", o$par, o$objective)
      if (np <= 10) { o <- tryCatch(lme4::Nelder_Mead(fn, th0, lower = lower, control = list(maxfun = 20000, FtolAbs = 1e-12, XtolRel = 1e-12)), error = function(e) NULL)
        if (!is.null(o)) upd("Nelder_Mead", o$par, o$fval) }
      for (s in seq_len(nstart)) {
        p <- ifelse(is_diag, exp(rnorm(np, -0.5, 1.2)), rnorm(np, 0, 0.5)); r <- tryCatch(if (s %% 3 == 2) { o <- nlminb(p, fn, lower = lower, control = list(iter.max = 2000, eval.max = 4000, rel.tol = 1e-14)); list(par = o$par, fval = o$objective) } else bob(p), error = function(e) NULL)
        if (!is.null(r)) upd(paste0("random_start", s), r$par, r$fval) }
      ## zero-start
      r <- tryCatch(bob(th0 * 0.05), error = function(e) NULL); if (!is.null(r)) upd("bobyqa_small", r$par, r$fval)
      r <- tryCatch(bob(best$par), error = function(e) NULL); if (!is.null(r)) upd("bobyqa_restart", r$par, r$fval)
      ## leave the boundary: a minimum with a zero diagonal is restarted from inside
      if (any(is_diag & best$par < 1e-3)) { p <- best$par; p[is_diag & p < 1e-3] <- 0.1 * max(0.5, max(abs(best$par))); r <- tryCatch(bob(p), error = function(e) NULL); if (!is.null(r)) upd("bobyqa_off_boundary", r$par, r$fval) }
    } else { r <- tryCatch(bob(best$par), error = function(e) NULL); if (!is.null(r)) upd("bobyqa_restart", r$par, r$fval) }
  }
  pol <- newton_polish(fn, best$par, is_diag, verbose = verbose, maxit = if (big) 6 else 8)
  if (pol$f <= best$f + 1e-9 + 1e-12 * abs(best$f)) { par <- pol$par; f <- pol$f } else { par <- best$par; f <- best$f }
  trace$polished <- f
  ## verification: nothing within a neighbourhood is lower
  worst <- 0; nper <- if (big) 2 else 40
  for (k in seq_len(nper)) { s <- 10^runif(1, -3.5, -0.5); p <- par + rnorm(np, 0, s * pmax(0.1, abs(par))); p[is_diag] <- abs(p[is_diag]); worst <- min(worst, fn(p) - f) }
  ## sign convention: non-negative diagonal
  th <- fix_sign(par / sc, lmod)
  list(theta = th, crit = f, maxgrad = pol$maxgrad, at_zero = pol$fixed0, trace = trace, perturb_min = worst)
}
fix_sign <- function(par, lmod) {
  ## flip columns of each Cholesky block so that the diagonal is >= 0
  off <- 0
  for (cn in lmod$reTrms$cnms) { k <- length(cn); nt <- k * (k + 1) / 2; L <- matrix(0, k, k); L[lower.tri(L, TRUE)] <- par[off + seq_len(nt)]
    s <- ifelse(diag(L) < 0, -1, 1); L <- L %*% diag(s, k); par[off + seq_len(nt)] <- L[lower.tri(L, TRUE)]; off <- off + nt }
  par + 0
}
## merMod at a given theta; call is a real lmer call that can be updated
mod_at <- function(sp, lmod, theta, REML = sp$reml, formula = sp$formula) {
  a <- list(formula = formula, data = as.name(".dat"), REML = REML, control = as.name("CTRL"))
  if (!is.null(sp$weights)) a$weights <- as.name(sp$weights)
  if (!is.null(sp$offset)) a$offset <- as.name(sp$offset)
  if (!is.null(sp$contrasts)) a$contrasts <- sp$contrasts
  mc <- as.call(c(list(quote(lme4::lmer)), a))
  lmod <- deepcopy_lmod(lmod); dv <- do.call(lme4::mkLmerDevfun, lmod); theta <- as.double(theta) + 0; f <- dv(theta)
  opt <- list(par = theta, fval = f, feval = 1L, conv = 0L, message = "polished")
  m <- lme4::mkMerMod(environment(dv), opt, lmod$reTrms, fr = lmod$fr, mc = mc)
  m@optinfo$optimizer <- "bobyqa"; m@optinfo$control <- list(rhoend = 1e-10, maxfun = 1e6)
  m
}
tight <- function(sp, formula = sp$formula, REML = sp$reml, nstart = sp$nstart %||% 4, big = isTRUE(sp$big)) {
  lmod <- lform(sp, REML, formula); b <- best_theta(lmod, nstart, big)
  list(model = mod_at(sp, lmod, b$theta, REML, formula), opt = b, lmod = lmod)
}

## ------------------------------------------------------------------ dense check of the criterion
dense_crit <- function(m) {
  X <- getME(m, "X"); Z <- as.matrix(getME(m, "Z")); L <- as.matrix(getME(m, "Lambda")); y <- getME(m, "y") - getME(m, "offset")
  w <- weights(m, type = "prior"); n <- length(y); p <- ncol(X); s2 <- sigma(m)^2
  V <- s2 * (tcrossprod(Z %*% L) + diag(1 / w, n)); R <- chol(V); Xs <- backsolve(R, X, transpose = TRUE); ys <- backsolve(R, y, transpose = TRUE)
  q <- qr(Xs, LAPACK = FALSE); b <- qr.coef(q, ys); r <- ys - Xs %*% b; ld <- 2 * sum(log(diag(R)))
  if (isREML(m)) (n - p) * log(2 * pi) + ld + 2 * sum(log(abs(diag(qr.R(q))))) + sum(r^2) else n * log(2 * pi) + ld + sum(r^2)
}

## ------------------------------------------------------------------ result blocks
ranef_block <- function(m, cv = TRUE) {
  re <- suppressWarnings(ranef(m, condVar = cv))
  out <- list()
  for (g in names(re)) { b <- re[[g]]; nl <- nrow(b)
    o <- list(n_levels = nl, cols = I(colnames(b)))
    k <- if (nl < 200) nl else 20
    o$levels <- I(rownames(b)[seq_len(k)]); o$values <- unname(as.matrix(b[seq_len(k), , drop = FALSE]))
    o$col_sum <- nv(colSums(b)); o$col_sumsq <- nv(colSums(b^2)); o$col_min <- nv(sapply(b, min)); o$col_max <- nv(sapply(b, max))
    if (cv) { pv <- attr(b, "postVar"); kk <- min(3, nl)
      o$condVar_first3 <- if (is.list(pv)) lapply(pv, function(a) lapply(seq_len(kk), function(i) matrix(a[, , i], dim(a)[1]))) else
        lapply(seq_len(kk), function(i) matrix(pv[, , i], dim(pv)[1])) }
    out[[g]] <- o }
  out
}
varcorr_block <- function(m) {
  ## as as.data.frame(VarCorr(m)), but with the plain name of the grouping factor and the number of the term (lme4 makes the names unique)
  vc <- VarCorr(m); cn <- m@cnms; out <- list()
  for (i in seq_along(cn)) { S <- unclass(vc[[i]]); k <- length(cn[[i]]); sd <- sqrt(diag(matrix(as.numeric(S), k)))
    for (a in seq_len(k)) out <- c(out, list(list(grp = names(cn)[i], term = i, var1 = cn[[i]][a], var2 = NULL, vcov = S[a, a], sdcor = sd[a])))
    if (k > 1) for (a in 1:(k - 1)) for (b in (a + 1):k) out <- c(out, list(list(grp = names(cn)[i], term = i, var1 = cn[[i]][a], var2 = cn[[i]][b], vcov = S[a, b], sdcor = if (sd[a] > 0 && sd[b] > 0) S[a, b] / (sd[a] * sd[b]) else NULL))) }
  if (m@devcomp$dims[["useSc"]]) out <- c(out, list(list(grp = "Residual", var1 = NULL, var2 = NULL, vcov = sigma(m)^2, sdcor = sigma(m))))
  out
}
core_lmm <- function(m, opt, dense = TRUE, cv = TRUE) {
  ll <- logLik(m)
  r <- list(n = nobs(m), ngroups = nv(sapply(getME(m, "flist"), function(f) nlevels(droplevels(f)))),
    rank_X = ncol(getME(m, "X")), dropped_columns = I(attr(getME(m, "X"), "col.dropped") %>0% names),
    fixef = nv(fixef(m)), se = nv(sqrt(diag(as.matrix(vcov(m))))), vcov = mat(as.matrix(vcov(m))),
    sigma = sigma(m), theta = nv(getME(m, "theta")), varcorr = varcorr_block(m),
    REML = isREML(m), criterion = unname(if (isREML(m)) REMLcrit(m) else deviance(m)), logLik = as.numeric(ll), npar = attr(ll, "df"),
    AIC = AIC(m), BIC = BIC(m), isSingular = isSingular(m, tol = 1e-4),
    ranef = ranef_block(m, cv), fitted = vsum(fitted(m)), resid = vsum(residuals(m)),
    optimizer_check = list(criterion_by_optimizer = opt$trace, max_abs_gradient_free_theta = opt$maxgrad, theta_at_bound = I(opt$at_zero), lowest_criterion_in_random_neighbours_minus_optimum = opt$perturb_min))
  if (dense && nobs(m) <= 2500) r$optimizer_check$dense_criterion_minus_lme4 <- dense_crit(m) - r$criterion
  r
}
`%>0%` <- function(a, f) if (length(a)) f(a) else character()
rn <- function(tb) { tb <- as.data.frame(tb); names(tb) <- gsub("^Pr\\(.*", "p", gsub("Std. Error", "se", gsub(" value$", "", gsub("Sum Sq", "SumSq", gsub("Mean Sq", "MeanSq", names(tb)))))); tb }
sat_block <- function(mT) {
  o <- list(coefficients = tab(rn(coef(summary(mT, ddf = "Satterthwaite")))))
  for (ty in c("I", "II", "III")) o[[paste0("anova_", ty)]] <- tryCatch(tab(rn(anova(mT, type = ty, ddf = "Satterthwaite"))), error = function(e) list(error = conditionMessage(e)))
  o
}
kr_block <- function(mT) {
  ok <- tryCatch({ pbkrtest::vcovAdj(mT); NULL }, error = function(e) conditionMessage(e)); if (!is.null(ok)) return(list(failed_in_R = ok))
  o <- list(coefficients = tab(rn(coef(summary(mT, ddf = "Kenward-Roger")))), vcov_adjusted = mat(as.matrix(pbkrtest::vcovAdj(mT))))
  for (ty in c("I", "II", "III")) o[[paste0("anova_", ty)]] <- tryCatch(tab(rn(anova(mT, type = ty, ddf = "Kenward-Roger"))), error = function(e) list(error = conditionMessage(e)))
  o
}
ranova_block <- function(sp, m) {
  .GlobalEnv$.m <- m
  a <- suppressMessages(lmerTest::ranova(lmerTest::as_lmerModLmerTest(m))); forms <- attr(a, "formulae")
  ll <- logLik(m); rows <- list("<none>" = list(npar = attr(ll, "df"), logLik = as.numeric(ll), AIC = AIC(m)))
  i <- 0
  for (nm in names(forms)) { i <- i + 1; f <- as.formula(forms[[nm]])
    if (length(lme4::findbars(f))) { t2 <- tight(sp, f); l2 <- logLik(t2$model); df2 <- attr(l2, "df"); v <- as.numeric(l2) } else {
      fr <- .dat; cl <- list(quote(lm), formula = f, data = as.name(".dat")); if (!is.null(sp$weights)) cl$weights <- as.name(sp$weights); if (!is.null(sp$offset)) cl$offset <- as.name(sp$offset)
      if (!is.null(sp$contrasts)) cl$contrasts <- sp$contrasts[names(sp$contrasts) %in% all.vars(f)]
      lmf <- eval(as.call(cl), globalenv()); l2 <- logLik(lmf, REML = isREML(m)); df2 <- attr(l2, "df"); v <- as.numeric(l2) }
    LRT <- max(0, 2 * (as.numeric(ll) - v)); d <- attr(ll, "df") - df2
    rows[[nm]] <- list(reduced_formula = dep(f), npar = df2, logLik = v, AIC = -2 * v + 2 * df2, LRT = LRT, Df = d, p = pchisq(LRT, d, lower.tail = FALSE),
                       lmerTest_ranova_LRT = clean(a[i + 1, "LRT"])) }
  rows
}
lrt_block <- function(sp, m, nulls) {
  ## ML fits of all models, tight; anova(m0, m1)
  m1 <- if (isREML(m)) tight(sp, sp$formula, FALSE)$model else m
  lapply(nulls, function(f) { m0 <- tight(sp, f, FALSE)$model; l0 <- logLik(m0); l1 <- logLik(m1); ch <- 2 * (as.numeric(l1) - as.numeric(l0)); d <- attr(l1, "df") - attr(l0, "df")
    list(null_formula = dep(f), full_formula = dep(sp$formula), npar0 = attr(l0, "df"), npar1 = attr(l1, "df"), AIC0 = AIC(m0), AIC1 = AIC(m1), BIC0 = BIC(m0), BIC1 = BIC(m1),
      logLik0 = as.numeric(l0), logLik1 = as.numeric(l1), Chisq = ch, Df = d, p = if (d > 0) pchisq(ch, d, lower.tail = FALSE) else NULL) })
}
perf_block <- function(m) {
  i <- tryCatch(suppressWarnings(performance::icc(m)), error = function(e) NULL); r <- tryCatch(suppressWarnings(performance::r2_nakagawa(m)), error = function(e) NULL)
  o <- list()
  if (is.data.frame(i)) o$icc <- list(adjusted = i$ICC_adjusted, unadjusted = i$ICC_unadjusted) else o$icc <- NULL
  if (is.list(r)) { o$r2_nakagawa <- list(marginal = unname(r$R2_marginal), conditional = if (is.na(r$R2_conditional)) NULL else unname(r$R2_conditional)) }
  v <- tryCatch(suppressWarnings(insight::get_variance(m)), error = function(e) NULL)
  if (!is.null(v)) o$insight_variances <- lapply(v[intersect(names(v), c("var.fixed","var.random","var.residual","var.distribution","var.dispersion"))], function(z) clean(unname(z)))
  o
}
emm_block <- function(m, specs, ddf = c("kenward-roger", "satterthwaite", "asymptotic"), glmm = FALSE) {
  lapply(specs, function(s) {
    f <- if (inherits(s, "formula")) s else as.formula(paste("~", s))
    o <- list(specs = dep(f))
    for (d in (if (glmm) "asymptotic" else ddf)) {
      e <- suppressMessages(if (glmm) emmeans(m, f) else emmeans(m, f, lmer.df = d))
      pn <- pairs(e, adjust = "none"); pt <- if (length(e@misc$by.vars) || TRUE) pairs(e, adjust = "tukey")
      fix <- function(x) { x <- as.data.frame(x); names(x) <- sub("asymp.LCL|lower.CL", "lower", sub("asymp.UCL|upper.CL", "upper", names(x))); if (all(is.infinite(x$df))) x$df <- NULL; recs(x) }
      o[[d]] <- list(emmeans = fix(summary(e, infer = c(TRUE, FALSE))), pairs_none = fix(summary(pn, infer = c(TRUE, TRUE))), pairs_tukey = fix(summary(pt, infer = c(FALSE, TRUE))))
      if (glmm) o[[d]]$response_scale <- fix(summary(e, type = "response", infer = c(TRUE, FALSE)))
    }
    o })
}
predict_block <- function(m, sp, vars) {
  d <- .dat[complete.cases(.dat[vars]), vars, drop = FALSE]; n <- nrow(d); idx <- unique(c(1, 2, ceiling(n / 3), ceiling(n / 2), n))
  nd <- d[idx, , drop = FALSE]; rownames(nd) <- NULL
  gv <- unique(unlist(lapply(lme4::findbars(sp$formula), function(b) all.vars(b[[3]])))); fx <- all.vars(lme4::nobars(sp$formula))
  new <- nd[1:2, , drop = FALSE]; chg <- setdiff(gv, fx)
  if (is.null(sp$newnum)) sp$newnum <- list()
  for (k in names(sp$newnum)) nd[[k]][seq_along(sp$newnum[[k]])] <- sp$newnum[[k]]
  for (g in chg) { new[[g]] <- as.character(new[[g]]); new[[g]][] <- "zz_new" }
  o <- list(newdata = recs(nd), pred_conditional = I(unname(predict(m, nd))), pred_population = I(unname(predict(m, nd, re.form = NA))))
  if (length(chg)) {
    o$newdata_new_levels <- recs(new); o$pred_new_levels_allow <- I(unname(predict(m, new, allow.new.levels = TRUE)))
    if (length(chg) > 1) { one <- nd[1:2, , drop = FALSE]; one[[chg[1]]] <- "zz_new"; o$newdata_one_new_factor <- recs(one); o$pred_one_new_factor_allow <- I(unname(predict(m, one, allow.new.levels = TRUE)))
      b1 <- lme4::findbars(sp$formula)[[1]]; rf <- as.formula(paste("~ (", dep(b1), ")")); pr <- tryCatch(unname(predict(m, nd, re.form = rf)), error = function(e) NULL)
      if (!is.null(pr)) { o$re_form_partial <- dep(rf); o$pred_partial <- I(pr) } } }
  o
}

## exact profile-likelihood intervals (ML), by root finding on a tightly optimised profile; scalar and 2x2 terms only
prof_exact <- function(sp, m_ml, lmod_ml, level = 0.95, which = c("beta", "vc")) {
  cut <- qchisq(level, 1); d0 <- unname(-2 * as.numeric(logLik(m_ml))); th <- getME(m_ml, "theta"); lower <- lmod_ml$reTrms$lower; is_diag <- lower == 0; np <- length(th)
  inner <- function(fn, p, lo) { if (length(p) == 0) return(list(par = p, f = fn(p)))
    if (length(p) == 1) { hi <- max(3 * p, 1); o <- optimize(fn, c(0, hi), tol = 1e-10); for (up in c(0.2 * hi, 5 * hi)) { o2 <- optimize(fn, c(0, up), tol = 1e-10); if (o2$objective < o$objective) o <- o2 }
      f0 <- fn(0); return(if (f0 <= o$objective) list(par = 0, f = f0) else list(par = o$minimum, f = o$objective)) }
    best <- NULL; st <- list(p); if (any(lo == 0 & p < 0.05)) st <- c(st, list(ifelse(lo == 0, pmax(p, 0.3), p)))
    for (s in st) { o <- nlminb(s, fn, lower = lo, control = list(rel.tol = 1e-14, x.tol = 1e-11, iter.max = 1000, eval.max = 3000)); if (is.null(best) || o$objective < best$objective) best <- o }
    o2 <- minqa::bobyqa(pmax(best$par, lo), fn, lower = pmax(lo, -1e6), upper = rep(1e6, length(p)), control = list(rhobeg = 1e-2, rhoend = 1e-9, maxfun = 5000))
    if (o2$fval < best$objective) list(par = o2$par, f = o2$fval) else list(par = best$par, f = best$objective) }
  res <- list()
  root <- function(fun, est, step, lim) {
    a <- est; fa <- -cut; b <- est + step; k <- 0
    repeat { if (!is.null(lim) && ((step < 0 && b <= lim) || (step > 0 && b >= lim))) b <- lim
      fb <- fun(b) - cut; if (fb > 0 || (!is.null(lim) && b == lim) || k > 40) break; a <- b; fa <- fb; b <- b + step * 1.3^k; k <- k + 1 }
    if (fb <= 0) return(if (!is.null(lim) && b == lim) lim else NA_real_)
    uniroot(function(z) fun(z) - cut, sort(c(a, b)), tol = 1e-9)$root }
  if ("beta" %in% which) {
    X <- lmod_ml$X; be <- fixef(m_ml); se <- sqrt(diag(as.matrix(vcov(m_ml))))
    for (j in seq_along(be)) {
      st <- th
      pf <- function(b) { lm2 <- lmod_ml; lm2$X <- X[, -j, drop = FALSE]; attr(lm2$X, "assign") <- NULL
        fr <- lm2$fr; off0 <- model.offset(fr); if (is.null(off0)) off0 <- rep(0, nrow(fr)); fr[["(offset)"]] <- off0 + b * X[, j]
        ## keep model.offset() well defined: drop offset terms from the frame
        tt <- attr(fr, "terms"); attr(tt, "offset") <- NULL; attr(fr, "terms") <- tt; lm2$fr <- fr
        dv <- devfun_of(lm2); fn <- function(t) { v <- tryCatch(dv(as.double(t)), error = function(e) { dv <<- devfun_of(lm2); NA }); if (is.finite(v)) v else 1e12 }
        o <- inner(fn, pmax(st, ifelse(is_diag, 0, -Inf)), lower); o$f - d0 }
      res[[names(be)[j]]] <- list(lower = root(pf, be[[j]], -1.5 * se[[j]], NULL), upper = root(pf, be[[j]], 1.5 * se[[j]], NULL))
    } }
  ks <- lengths(lmod_ml$reTrms$cnms)
  if ("vc" %in% which && all(ks <= 2)) {
    dv <- devfun_of(lmod_ml); en <- environment(dv); n <- nobs(m_ml); w <- weights(m_ml, type = "prior"); ldW <- sum(log(w))
    crit <- function(theta, s) { dv(as.double(theta)); en$pp$ldL2() - ldW + (en$resp$wrss() + en$pp$sqrL(1)) / s^2 + n * log(2 * pi * s^2) }
    ## parameter vector: per term sd (k=1) or sd1, cor, sd2 (k=2); then sigma
    to_theta <- function(v) { s <- v[length(v)]; out <- c(); o <- 0; for (k in ks) { if (k == 1) { out <- c(out, v[o + 1] / s); o <- o + 1 } else { r <- min(1, max(-1, v[o + 2])); out <- c(out, v[o + 1] / s, v[o + 3] * r / s, v[o + 3] * sqrt(max(0, 1 - r^2)) / s); o <- o + 3 } }; out }
    s <- sigma(m_ml); v0 <- c(); lo <- c(); up <- c(); nmv <- c(); o <- 0; i <- 0
    for (k in ks) { i <- i + 1; g <- names(lmod_ml$reTrms$cnms)[i]; cn <- lmod_ml$reTrms$cnms[[i]]
      if (k == 1) { v0 <- c(v0, s * th[o + 1]); lo <- c(lo, 0); up <- c(up, Inf); nmv <- c(nmv, paste0("sd_", cn, "|", g)); o <- o + 1 } else {
        s1 <- s * abs(th[o + 1]); s2 <- s * sqrt(th[o + 2]^2 + th[o + 3]^2); v0 <- c(v0, s1, th[o + 2] * s / s2, s2); lo <- c(lo, 0, -1, 0); up <- c(up, Inf, 1, Inf)
        nmv <- c(nmv, paste0("sd_", cn[1], "|", g), paste0("cor_", cn[2], ".", cn[1], "|", g), paste0("sd_", cn[2], "|", g)); o <- o + 3 } }
    v0 <- c(v0, s); lo <- c(lo, 0.1 * s); up <- c(up, Inf); nmv <- c(nmv, "sigma")
    base_ok <- crit(to_theta(v0), s) - d0
    for (j in seq_along(v0)) {
      st <- v0[-j]
      pf <- function(b) { fn <- function(z) { v <- v0; v[-j] <- z; v[j] <- b; r <- tryCatch(crit(to_theta(v), v[length(v)]), error = function(e) { dv <<- devfun_of(lmod_ml); en <<- environment(dv); NA }); if (is.finite(r)) r else 1e12 }
        best <- Inf
        fl <- ifelse(lo[-j] == 0, 0.3 * s, -Inf)
        for (mult in c(1, 0.8, 1.25, -1)) { if (mult < 0) { if (!any(lo[-j] == 0 & st < 0.1 * s)) next; st1 <- pmax(st, fl); mult <- 1 } else st1 <- st; z0 <- pmin(pmax(st1 * mult, lo[-j] + 1e-6), ifelse(is.finite(up[-j]), up[-j] - 1e-4, Inf))
          o <- nlminb(z0, fn, lower = lo[-j], upper = up[-j], control = list(rel.tol = 1e-14, x.tol = 1e-11, iter.max = 1000, eval.max = 3000)); if (o$objective < best) { best <- o$objective; bp <- o$par } }
        o2 <- if (length(bp) > 1) minqa::bobyqa(bp, fn, lower = pmax(lo[-j], -1e6), upper = pmin(up[-j], 1e6), control = list(rhobeg = 1e-3, rhoend = 1e-10, maxfun = 5000)) else list(fval = best)
        min(best, o2$fval) - d0 }
      stp <- if (is.finite(up[j])) 0.3 else max(0.2 * v0[j], 0.05 * s)
      ## the "limit" of the parameter space stands for an end that the likelihood does not reach
      L <- root(pf, v0[j], -stp, lo[j]); U <- root(pf, v0[j], stp, if (is.finite(up[j])) up[j] else NULL)
      res[[nmv[j]]] <- list(lower = L, upper = U)
    }
  }
  lapply(res, function(z) lapply(z, clean))
}
confint_block <- function(m) {
  ci <- tryCatch(suppressWarnings(suppressMessages(confint(m, method = "profile", oldNames = FALSE, quiet = TRUE))), error = function(e) NULL)
  if (is.null(ci)) return(NULL)
  ci <- as.data.frame(ci); names(ci) <- c("lower", "upper"); tab(ci)
}

## ------------------------------------------------------------------ influence, by tight refits
influence_block <- function(sp, m, groups = NULL) {
  d0 <- .dat; on.exit(.GlobalEnv$.dat <- d0)
  ids <- if (is.null(groups)) seq_len(nrow(d0)) else unique(as.character(d0[[groups]]))
  be <- fixef(m); Vi <- solve(as.matrix(vcov(m))); p <- length(be); X <- getME(m, "X"); y <- getME(m, "y") - getME(m, "offset")
  w <- weights(m, type = "prior"); ZL <- as.matrix(getME(m, "Z") %*% getME(m, "Lambda")); V <- sigma(m)^2 * (tcrossprod(ZL) + diag(1 / w, length(y)))
  out <- lapply(ids, function(i) {
    rows <- if (is.null(groups)) i else which(as.character(d0[[groups]]) == i)
    .GlobalEnv$.dat <- droplevels(d0[-rows, , drop = FALSE])
    t2 <- tight(sp, nstart = 0); b2 <- fixef(t2$model); db <- be - b2
    R <- chol(V[-rows, -rows]); Xs <- backsolve(R, X[-rows, , drop = FALSE], transpose = TRUE); ys <- backsolve(R, y[-rows], transpose = TRUE); A <- crossprod(Xs); bf <- drop(solve(A, crossprod(Xs, ys))); df <- be - bf
    list(fixef = b2, cook = drop(db %*% Vi %*% db) / p, sigma = sigma(t2$model), theta = getME(t2$model, "theta"), covratio = det(as.matrix(vcov(t2$model))) / det(as.matrix(vcov(m))),
         fixef_f = bf, cook_f = drop(df %*% Vi %*% df) / p, covratio_f = det(solve(A)) * det(Vi), mdffits_f = drop(df %*% A %*% df) / p) })
  .GlobalEnv$.dat <- d0; ck <- sapply(out, `[[`, "cook"); nd <- length(ids)
  list(note = "deletion of a row (case) or of a group; 'refit': all parameters estimated again (tight refits); 'fixed_theta': covariance parameters and sigma held at the full-data estimates; cooks_distance = (b - b(i))' V_b^-1 (b - b(i)) / p with V_b of the full-data fit; lme4's cooks.distance(influence(m)) multiplies that by (k - p)/k with k = number of deletions",
       deleted = I(as.character(ids)), refit = list(fixef = unname(do.call(rbind, lapply(out, `[[`, "fixef"))), fixef_cols = I(names(be)), cooks_distance = I(ck), cooks_distance_lme4_scaling = I(ck * (nd - p) / nd), covratio = I(sapply(out, `[[`, "covratio")), sigma = I(sapply(out, `[[`, "sigma")), theta = unname(do.call(rbind, lapply(out, `[[`, "theta")))),
       fixed_theta = list(fixef = unname(do.call(rbind, lapply(out, `[[`, "fixef_f"))), cooks_distance = I(sapply(out, `[[`, "cook_f")), covratio = I(sapply(out, `[[`, "covratio_f")), mdffits = I(sapply(out, `[[`, "mdffits_f"))))
}

## ------------------------------------------------------------------ one LMM case
## sp: id, dataset, [csv, levels], formula, reml, [weights, offset, contrasts, prep, prep_text, extras, lrt, emm, big, newnum, note]
run_lmm <- function(sp) {
  t0 <- proc.time()[[3]]; ex <- sp$extras %||% c()
  set.seed(sum(utf8ToInt(sp$id)))
  d <- load_ds(sp$dataset, sp$csv, sp$levels); ord <- attr(d, "was_ordered")
  if (!is.null(sp$prep)) d <- sp$prep(d)
  vars <- intersect(unique(c(all.vars(sp$formula), sp$weights, sp$offset)), names(d))
  .GlobalEnv$.dat <- d
  warns <- character()
  R <- withCallingHandlers({
    t1 <- tight(sp); m <- t1$model
    r <- core_lmm(m, t1$opt, dense = !isTRUE(sp$big), cv = !isTRUE(sp$nocondvar))
    if (any(c("sat", "kr") %in% ex)) { mT <- lmerTest::as_lmerModLmerTest(m)
      if ("sat" %in% ex) r$satterthwaite <- sat_block(mT)
      if ("kr" %in% ex && sp$reml) r$kenward_roger <- kr_block(mT) }
    if ("ranova" %in% ex) r$ranova <- ranova_block(sp, m)
    if (!is.null(sp$lrt)) r$lrt <- lrt_block(sp, m, sp$lrt)
    if ("wald" %in% ex) { r$wald_chisq_II <- tab(rn(car::Anova(m, type = 2))); r$wald_chisq_III <- tab(rn(car::Anova(m, type = 3))) }
    if ("predict" %in% ex) r$predict <- predict_block(m, sp, vars)
    if ("perf" %in% ex) r$performance <- perf_block(m)
    if (!is.null(sp$emm)) r$emmeans <- emm_block(m, sp$emm, ddf = sp$emm_ddf %||% (if (sp$reml) c("kenward-roger", "satterthwaite", "asymptotic") else c("satterthwaite", "asymptotic")))
    if ("profile" %in% ex) { lm_ml <- lform(sp, FALSE); b <- best_theta(lm_ml); mm <- mod_at(sp, lm_ml, b$theta, FALSE)
      ex_ci <- prof_exact(sp, mm, lm_ml); l4 <- if ("noconfint" %in% ex) NULL else confint_block(mm); bad <- list()
      for (k in names(l4)) { e <- ex_ci[[k]]; if (is.null(e)) { bad[[k]] <- "no exact counterpart (term larger than 2 x 2)"; next }; wd <- e$upper - e$lower; df <- max(abs(c(l4[[k]]$lower - e$lower, l4[[k]]$upper - e$upper)))
        if (is.na(df) || df > 0.01 * wd) { bad[[k]] <- paste("lme4 gives", format(l4[[k]]$lower, digits = 8), "to", format(l4[[k]]$upper, digits = 8)); l4[[k]] <- NULL } }
      r$profile_ci_95 <- list(note = "profile likelihood of the ML criterion (also when the fit is REML, as in lme4); 'exact' = root finding on a tightly optimised profile, an end at the limit of the parameter space means that the cutoff is not reached; 'lme4' = confint(method='profile'), spline interpolation",
        exact = ex_ci, lme4 = l4, lme4_not_trusted = bad) }
    if ("diag" %in% ex) r$diagnostics <- diag_block(sp, m)
    if ("influence" %in% ex) for (g in c("case", sp$inf_groups)) r$influence[[g]] <- influence_block(sp, m, if (g == "case") NULL else g)
    if ("infl_group" %in% ex) for (g in sp$inf_groups) r$influence[[g]] <- influence_block(sp, m, g)
    r
  }, warning = function(w) { warns <<- unique(c(warns, conditionMessage(w))); invokeRestart("muffleWarning") })
  cs <- list(id = sp$id, dataset = sp$dataset, csv = basename(sp$csv %||% paste0(sp$dataset, ".csv")),
    factors = fac_spec(d, vars, ord, sp$contrasts %||% list()), preprocess = sp$prep_text,
    call = sp$call %||% paste0("lmer(", dep(sp$formula), ", data = ", sp$dataset, ", REML = ", sp$reml,
       if (!is.null(sp$weights)) paste0(", weights = ", sp$weights), if (!is.null(sp$offset)) paste0(", offset = ", sp$offset),
       if (!is.null(sp$contrasts)) paste0(", contrasts = ", dep(sp$contrasts)), ")"),
    formula = dep(sp$formula), reml = sp$reml, weights = sp$weights, offset = sp$offset, family = "gaussian", tags = I(sp$tags %||% character()), note = sp$note,
    warnings = I(warns), results = R)
  cs <- cs[!sapply(cs, is.null)]
  cat(sprintf("%-44s crit %.8f sing %s grad %.1e pert %.1e dense %.1e  %.1fs %s\n", sp$id, R$criterion, R$isSingular, R$optimizer_check$max_abs_gradient_free_theta %||% NA,
      R$optimizer_check$lowest_criterion_in_random_neighbours_minus_optimum, R$optimizer_check$dense_criterion_minus_lme4 %||% NA, proc.time()[[3]] - t0, paste(substr(warns, 1, 100), collapse = " | ")))
  cs
}
run_all <- function(specs) { out <- list(); for (s in specs) { r <- tryCatch(run_lmm(s), error = function(e) { cat("FAILED", s$id, conditionMessage(e), "\n"); print(sys.calls()); NULL }); if (!is.null(r)) out[[s$id]] <- r }; out }

## ------------------------------------------------------------------ diagnostics
diag_block <- function(sp, m) {
  r <- unname(residuals(m)); rp <- unname(residuals(m, type = "pearson", scaled = TRUE)); X <- getME(m, "X"); n <- length(r); f <- unname(fitted(m))
  sh <- shapiro.test(r); ks <- cor(qnorm(ppoints(n))[rank(r, ties.method = "first")], r)
  lm_test <- function(Zm) { if (!ncol(Zm)) return(NULL); Zm <- Zm[, apply(Zm, 2, function(c) sd(c) > 0), drop = FALSE]; fit <- lm(r^2 ~ Zm); q <- fit$rank - 1; R2 <- summary(fit)$r.squared; list(LM = n * R2, df = q, p = pchisq(n * R2, q, lower.tail = FALSE), F = (R2 / q) / ((1 - R2) / (n - q - 1)), p_F = pf((R2 / q) / ((1 - R2) / (n - q - 1)), q, n - q - 1, lower.tail = FALSE)) }
  Xn <- X[, colnames(X) != "(Intercept)", drop = FALSE]
  k <- ncol(Xn); W <- Xn; if (k) for (i in 1:k) for (j in i:k) W <- cbind(W, Xn[, i] * Xn[, j])
  bp_nk <- if (k) { g <- r^2 / mean(r^2); fit <- lm(g ~ Xn); ess <- sum((fitted(fit) - mean(g))^2); q <- fit$rank - 1; list(stat = ess / 2, df = q, p = pchisq(ess / 2, q, lower.tail = FALSE)) } else NULL
  sw <- lapply(ranef(m), function(b) lapply(b, function(v) if (length(v) >= 3 && length(v) <= 5000 && sd(v) > 0) { s <- shapiro.test(v); list(W = unname(s$statistic), p = s$p.value) } else NULL))
  h <- hatvalues(m); ck <- cooks.distance(m)
  list(note = "conditional residuals r = y - X b - Z u; LM tests regress r^2 on the design: BP uses the non-constant columns of X, White adds all squares and cross products (collinear columns dropped by rank), fitted uses (fitted, fitted^2)",
    shapiro_resid = list(W = unname(sh$statistic), p = sh$p.value), shapiro_ranef = sw, qq_correlation_resid = ks,
    breusch_pagan_koenker = lm_test(Xn), breusch_pagan_original = bp_nk, white = lm_test(W), white_fitted = lm_test(cbind(f, f^2)),
    hatvalues = list(values = I(unname(h)), sum = sum(h)), cooks_distance_lme4_hat_based = list(values = I(unname(ck)), formula = "(r/(1-h))^2 * h / (sigma^2 * rank(X))"),
    scaled_pearson = vsum(rp), skewness = mean((r - mean(r))^3) / mean((r - mean(r))^2)^1.5, kurtosis = mean((r - mean(r))^4) / mean((r - mean(r))^2)^2)
}
