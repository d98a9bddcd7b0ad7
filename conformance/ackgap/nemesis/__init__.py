"""The nemesis: random applies under random faults, for as long as you like, judged like everything else."""
