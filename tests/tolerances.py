"""Every tolerance of the tests, by name, with its reason."""

from __future__ import annotations

CLOSED_FORM = 1e-9
"""Relative: a double-precision special function (t quantile, t tail) against a closed form."""

ZIPF_SIGMAS = 5.0
"""Standard errors a category's frequency may miss its probability: under H0 one of 60 checks fails with odds 4e-5."""

BAYES_FIGURES = 1e-10
"""Absolute: the figures are stored with ten digits; double-precision sums in another order differ by far less."""

LOGIT_MOMENTS = 0.06
"""Relative: standard deviation of 32,000 logits against the model's; standard error about 1 %, heads weigh more."""

LOGIT_EXACT = 1e-12
"""Absolute: a logit as a sum over pairs against the square-of-sum form, 10 terms of order 1 in double precision."""

CLICK_RATE = 0.01
"""Absolute: share of clicks of 32,000 rows against the solved rate; 4 standard errors of 0.0024."""

GRADIENT = 1e-6
"""Relative: float64 central differences with step 1e-6 (rounding error about 1e-10 over 2e-6 of a loss near 1)."""

FLOAT64 = 1e-10
"""Relative: one float64 formula evaluated in two orders (ours against PyTorch or the textbook form)."""

FLOAT64_TRAJECTORY = 1e-7
"""Relative: 20 Adam steps in float64; Adam's division by sqrt(v) amplifies the rounding of small gradients."""

FLOAT32 = 2e-5
"""Relative to the largest entry: float32 sums of up to a thousand terms in another order."""

SIX_SIGMA = 6.0
"""Standard errors allowed to a sampled statistic: under the null one check in 5e8 fails."""

ROW_UPDATE = 4e-6
"""Relative: a chain of about ten float32 operations (Adam with its square root and divisions) against float64."""

FALSE_ALARM_SIGMA = 4.0
"""Standard errors above alpha allowed to a simulated false-alarm rate: a calibrated test fails one check in 3e4."""

FLOAT32_SUM = 2e-5
"""Relative: a few dozen float32 terms, or a float32 constant against its float64 original."""

EXACT_BOUND = 1e-10
"""Relative: exact float64 expectation against a bound that it may reach with equality (sums of up to 1e5 terms)."""

TEN_DIGITS = 1e-10
"""Relative: closed-form law against linear algebra in float64."""

SAME_MODEL_AUC = 0.01
"""Absolute: logistic regression by Adam with early stopping against L-BFGS with a penalty; 1,000 test rows."""

DCN_GAIN_AUC = 0.01
"""Absolute: the least that DCN must gain over logistic regression on Frappe; measured 0.017 to 0.019."""

MACHINE_GAIN_AUC = 0.1
"""Absolute: the least that FM and DeepFM gain over logistic regression on clicks of pairs; measured 0.14 to 0.18."""

GRID_UNITS = 1e-3
"""In steps: a code of up to 128 after a chain of float32 operations (relative 4e-6, ratio of step sizes included)."""

STEP_SIZE = 2e-5
"""Relative: one step-size update, whose gradient is a float32 sum of up to 27 products that may cancel."""

GPU_SUMS = 1e-4
"""Relative: float32 sums of up to a thousand terms in another order, amplified by batch norm of 33 rows."""

GPU_GRADIENT = 5e-3
"""Relative, in norm: of 10^6 ReLUs about one has an argument within rounding of zero and opens on one device only; a
share of 1e-6 of the entries is 1e-3 in norm, here through three layers."""

TF32_VALUE = 1e-2
"""Relative, in norm: factors of three matrix products in a row rounded to 10 bits of mantissa, 5e-4 each."""

TF32_GRADIENT = 0.15
"""Relative, in norm: as for GPU_GRADIENT, but a share of 1e-3 of the ReLUs differs, which is 3e-2 in norm a layer."""

BF16_VALUE = 3e-2
"""Relative, in norm: as for TF32_VALUE, with 8 bits, 2e-3 a rounding, and activations rounded too."""

BF16_GRADIENT = 0.3
"""Relative, in norm: as for TF32_GRADIENT; a share of 4e-3 of the ReLUs differs, which is 6e-2 in norm a layer, and so
are the signs of the sums that batch norm takes of them."""

BF16_METRIC = 1e-2
"""Absolute: AUC and logloss after two small epochs in bfloat16 and in TF32, whose runs part by rounding at once."""

GPU_METRIC = 2e-3
"""Absolute: AUC and logloss after two small epochs on a GPU and on the CPU, whose runs part by rounding."""

REPLAYED_WEIGHT = 4e-7
"""Absolute, weights up to .06: 900 steps of Adam in float32 (roundings of 2e-9, moments off by 1e-6 of a move of 1e-3)
against float64; measured 1.2e-7."""

REPLAYED_MOVES = 3e-6
"""Relative: a sum of up to 250 moves, by two nodes (7e-8) or step by step in float32, against float64."""

SLICED_LOSS = 1e-5
"""Relative: the mean loss of an epoch of float32 training, its sums over rows cut into slices or not."""
