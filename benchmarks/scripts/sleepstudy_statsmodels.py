import sys

import pandas as pd
import statsmodels.formula.api as smf

fit = smf.mixedlm("Reaction ~ Days", pd.read_csv(sys.argv[1]), groups="Subject", re_formula="~Days").fit()
print(fit.summary())
print("criterion", -2 * fit.llf)
