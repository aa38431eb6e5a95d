/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/pool/helper-batch.h"

int
main (int    argc,
      char **argv)
{
  helper_begin (&argc, &argv);
  return helper_end ();
}
