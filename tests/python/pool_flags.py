# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a worker says about its interpreter. It imports no more than that."""

import sys


def tell():
    flags = sys.flags
    return [flags.optimize, flags.no_user_site, flags.safe_path, flags.utf8_mode,
            flags.dont_write_bytecode, "ignore::DeprecationWarning" in sys.warnoptions,
            sys._xoptions.get("int_max_str_digits")]
