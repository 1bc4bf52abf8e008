# Writes the data sets that the reference cases use, from the installed R packages, to ../data
# (sleepstudy_ext.csv is written by 01_sleepstudy.R)
suppressMessages({library(lme4); library(nlme); library(mlmRev)})
w <- function(d, n) write.csv(as.data.frame(d), file.path("..", "data", paste0(n, ".csv")), row.names = FALSE)
for (n in c("cake", "Dyestuff", "Dyestuff2", "InstEval", "Pastes", "Penicillin", "sleepstudy"))
  w(get(n, envir = as.environment("package:lme4")), n)
for (n in c("RatPupWeight", "Orthodont", "Oats", "Machines", "Oxboys", "MathAchieve"))
  w(get(n, envir = as.environment("package:nlme")), n)
for (n in c("Chem97", "egsingle", "Hsb82")) { data(list = n, package = "mlmRev"); w(get(n), n) }
