"""Only for the compiled variant: builds src/rebound/compiled.pyx against the installed Penstock."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

import engine

# Penstock's .pxd files and C headers are installed beside its modules.
PENSTOCK = str(Path(engine.__file__).parent.parent)

compiled = Extension(
    "rebound.compiled",
    ["src/rebound/compiled.pyx"],
    include_dirs=[PENSTOCK],
    extra_compile_args=["-march=x86-64-v3", "-O2", "-ffp-contract=off"],
)
setup(
    ext_modules=cythonize(
        [compiled],
        include_path=[PENSTOCK],
        compiler_directives={"language_level": 3, "cdivision": True},
    ),
)
