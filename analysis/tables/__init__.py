"""Tables of the paper kind, one file each, in the order of their names: `alpt-ref reproduce` fills them."""
