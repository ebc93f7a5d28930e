"""How the console writes times: to the second, sortable, the same in every language."""
