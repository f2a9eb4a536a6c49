"""What the built-in hooks know of runs: plans of evaluations, results, sums over them, notices, the judge's budget."""
