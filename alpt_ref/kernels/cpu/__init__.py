"""CPU kernels: loops over rows that release the GIL; `alpt_ref.kernels.jit.run_rows` spreads them over threads."""
