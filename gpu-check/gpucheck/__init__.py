"""The checks of libhami_core.so on real hardware, and what runs them."""
