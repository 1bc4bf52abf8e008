"""Speed, memory and attained criterion of mixwell and its peers, measured in one run.

``python -m benchmarks`` prints a table and, on request, writes JSON. Read :mod:`benchmarks.cases` for what is
measured, :mod:`benchmarks.run` for how, and one module of :mod:`benchmarks.peers` per package compared.
"""
