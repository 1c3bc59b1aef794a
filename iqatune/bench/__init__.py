"""How fast is it, beside other packages and beside the bare CNN, in one run on one machine?"""
