"""Mutation run: is there a claim that turns red when a line of the mathematics is wrong?

    python -m alpt_ref.analysis.mutate --named      # the mutants with a name, against the claims
    python -m alpt_ref.analysis.mutate --hours 5    # these, and lines broken by rule, against claims and tests

Lines are broken one at a time in a copy of the checkout in a temporary folder. First come the *named* mutants
(`named.toml`: a factor dropped from a bound, a stream of random words used twice, ...), each of which a claim must
catch in ``verify --budget quick``; then generic ones from the syntax tree (`syntax`). Each runs against the claims and
the tests that import what was broken, directly or not (`imports`), cheapest first, until one fails.

Why no mutation library: mutmut (3) rewrites every function into a dispatcher that asks an environment variable which
mutant is meant, which Numba cannot compile; cosmic-ray breaks one place at a time, but asks one command for its exit
status, whereas the question here is which claim and which cell saw it, and whether a test alone did. Neither
knows that a mutant of one kernel leaves the machine code of the others valid (`kernels`), and compiling all of it
again for each mutant would take ten times the six hours; neither has mutants that are written by hand.
"""
