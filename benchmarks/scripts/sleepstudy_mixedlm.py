import sys

import mixedlm
import pandas as pd

fit = mixedlm.lmer("Reaction ~ Days + (Days | Subject)", pd.read_csv(sys.argv[1]))
print(fit.summary())
print("criterion", fit.REMLcrit())
