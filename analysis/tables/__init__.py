"""Tables of the paper kind, one file each: `alpt-ref reproduce` runs what they name and lays it out."""
