"""Builds the compiled strategies against the installed Penstock, as docs/examples/rebound does."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

import engine

PENSTOCK = str(Path(engine.__file__).parent.parent)

compiled = [
    Extension(
        f"marker.{name}",
        [f"src/marker/{name}.pyx"],
        include_dirs=[PENSTOCK],
        extra_compile_args=["-march=x86-64-v3", "-O3", "-ffp-contract=off"],
    )
    for name in ("compiled", "quoter")
]
setup(
    ext_modules=cythonize(
        compiled,
        include_path=[PENSTOCK],
        compiler_directives={"language_level": 3, "cdivision": True},
    ),
)
