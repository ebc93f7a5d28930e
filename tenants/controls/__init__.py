"""What operators hold over tenants: suspension, switches, flags, sessions as support."""
