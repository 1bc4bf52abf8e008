import sys

import pandas as pd

import mixwell as mw

fit = mw.lmer("Reaction ~ Days + (Days | Subject)", pd.read_csv(sys.argv[1]))
print(fit.summary())
print("criterion", fit.criterion)
