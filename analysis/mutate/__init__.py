"""Mutation run: is there a claim that turns red when a line of the mathematics is wrong?

    python -m alpt_ref.analysis.mutate --named      # the mutants with a name, against the claims
    python -m alpt_ref.analysis.mutate --hours 5    # these, and lines broken by rule, against claims and tests

Lines are broken one at a time. First come the *named* mutants (`named.toml`: a factor dropped from a bound, a stream of
random words used twice, ...), each of which a claim must catch in ``verify --budget quick``; then generic ones from the
syntax tree (`syntax`). The checkout is never changed: a process that has every library imported forks a child, whose
import system gives the mutated module its other text (`server`). Most generic ones are quicker: a process that has
collected every test forks a child, in which the broken function gets its other code (`collected`, `swap`).

First every claim and every test of the rooms that are broken runs without a mutant, once (`baseline`): which lines of
the targets does it run, how long does it take, is it green? Then a mutant meets only what runs its line, the quickest
first, until one fails (`attempts`). Every mutant meets the few seconds that are quick before any meets the rest, so
that a run that is stopped has seen most of them. A survivor has met everything that runs its line, up to half a
minute of it. Kernels run as the plain Python that they are written in; what survives there is compiled.

What is not broken: error sentences and what raises them, docstrings, annotations, imports, decorators, ``__repr__`` and
``__post_init__``, names and texts, two arguments swapped of which one is a text; and what no test here can judge: code
for the GPU, the reading of docstrings. Mutants that mean the same by a rule are explained by pattern in
`explained.toml`, not left out: somebody has looked at each.

A child costs one to three seconds, or some hundredths where everything is imported before; it is killed by its own
processor time, so that a busy machine makes no mutant look like an endless loop. The journal (`journal`) is resumed by
the same command with the same ``--output``.

Why no mutation library: mutmut (3) rewrites every function into a dispatcher that asks an environment variable which
mutant is meant, which Numba cannot compile; cosmic-ray breaks one place at a time, but asks one command for its exit
status, whereas the question here is which claim and which cell saw it, and whether a test alone did. Neither
knows that a mutant of one kernel leaves the machine code of the others valid (`kernels`), and compiling all of it
again for each mutant would take ten times the six hours; neither has mutants that are written by hand.
"""
