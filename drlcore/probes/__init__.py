"""What can be read from a code, and what the score network uses of it.

scikit-learn is imported where it is used: it takes as long to import as torch, and every command
and notebook imports these modules.
"""
