"""The paper: its experiments, tables, figures and claims."""
