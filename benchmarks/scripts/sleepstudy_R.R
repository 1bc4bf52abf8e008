suppressMessages(library(lme4))
fit <- lmer(Reaction ~ Days + (Days | Subject), read.csv(commandArgs(trailingOnly = TRUE)[1]))
print(summary(fit))
cat("criterion", sprintf("%.17g", REMLcrit(fit)), "\n")
