"""What the project is made of besides its own code: locked packages, licences, bill of materials.

Here and not in the package, because nothing of it runs where Affectline does.
"""
