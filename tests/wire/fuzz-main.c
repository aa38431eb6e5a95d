/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/wire/fuzz.h"

#include <glib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stands in for libFuzzer: FUZZ-TARGET CORPUS-DIRECTORY [COUNT [SEED]]
 *
 * Runs the target on every file of the directory, and then on COUNT mutations of them, which depend
 * on the seed alone, so that what failed fails again.
 *
 * With libFuzzer (the option "fuzzing"), which looks for new ways by itself, it is not needed. */

#define DEFAULT_COUNT 20000
#define DEFAULT_SEED  G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)
#define MAX_SIZE      4096

int LLVMFuzzerInitialize (int *argc, char ***argv) __attribute__ ((weak));

static guint64 state; /* of next_random(); never 0 */

/* Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003. */
static guint64
next_random (void)
{
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static guint
random_below (guint n)
{
  return (guint) (next_random () % MAX (n, 1));
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char * const *) a, *(const char * const *) b);
}

static void
read_corpus (const char *path,
             GPtrArray  *seeds)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (path, 0, &error);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_build_filename (path, name, NULL));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    {
      char *data;
      gsize size;

      g_assert_true (g_file_get_contents (g_ptr_array_index (names, i), &data, &size, &error));
      g_ptr_array_add (seeds, g_bytes_new_take (data, size));
    }
}

static void
write_word (GByteArray *input)
{
  static const guint64 words[] = {
    0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff,
    0x7fffffffffffffff, 0xffffffffffffffff,
  };
  guint width = 1u << random_below (4);
  guint64 word = words[random_below (G_N_ELEMENTS (words))];

  if (input->len >= width)
    memcpy (input->data + random_below (input->len / width) * width, &word, width);
}

static void
insert_bytes (GByteArray *input)
{
  guint8 bytes[16];
  guint n = 1 + random_below (sizeof bytes);
  guint at = random_below (input->len + 1);
  guint tail = input->len - at;

  for (guint i = 0; i < n; i++)
    bytes[i] = random_below (2) ? (guint8) next_random () : 0;
  g_byte_array_set_size (input, input->len + n);
  memmove (input->data + at + n, input->data + at, tail);
  memcpy (input->data + at, bytes, n);
}

static void
remove_bytes (GByteArray *input)
{
  guint at = random_below (input->len);

  if (input->len > 0)
    g_byte_array_remove_range (input, at, 1 + random_below (MIN (16, input->len - at)));
}

/* Puts the end of another seed behind the beginning of this input. */
static void
splice (GByteArray *input,
        GPtrArray  *seeds)
{
  GBytes *other = g_ptr_array_index (seeds, random_below (seeds->len));
  gsize size;
  const guint8 *data = g_bytes_get_data (other, &size);
  guint from = random_below ((guint) size + 1);

  g_byte_array_set_size (input, random_below (input->len + 1));
  g_byte_array_append (input, data + from, (guint) size - from);
}

static void
mutate (GByteArray *input,
        GPtrArray  *seeds)
{
  switch (random_below (8))
    {
    case 0:
    case 1:
      if (input->len > 0)
        input->data[random_below (input->len)] ^= (guint8) (1u << random_below (8));
      break;
    case 2:
      if (input->len > 0)
        input->data[random_below (input->len)] = (guint8) next_random ();
      break;
    case 3:
    case 4:
      write_word (input);
      break;
    case 5:
      insert_bytes (input);
      break;
    case 6:
      remove_bytes (input);
      break;
    default:
      splice (input, seeds);
      break;
    }
}

/* In memory of its own, so that a look behind its end is seen. */
static void
run_one (const guint8 *data,
         gsize         size)
{
  g_autofree guint8 *copy = g_memdup2 (data, size);

  LLVMFuzzerTestOneInput (copy, size);
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GPtrArray) seeds = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  guint64 count = argc > 2 ? g_ascii_strtoull (argv[2], NULL, 10) : DEFAULT_COUNT;

  state = argc > 3 ? MAX (g_ascii_strtoull (argv[3], NULL, 10), 1) : DEFAULT_SEED;
  if (argc < 2)
    {
      fprintf (stderr, "Usage: %s CORPUS-DIRECTORY [COUNT [SEED]]\n", argv[0]);
      return EXIT_FAILURE;
    }
  read_corpus (argv[1], seeds);
  g_assert_cmpuint (seeds->len, >, 0);
  printf ("%u files, %" G_GUINT64_FORMAT " mutations, seed %" G_GUINT64_FORMAT "\n", seeds->len,
          count, state);
  fflush (stdout);
  if (LLVMFuzzerInitialize != NULL)
    LLVMFuzzerInitialize (&argc, &argv);

  for (guint i = 0; i < seeds->len; i++)
    {
      gsize size;
      const guint8 *data = g_bytes_get_data (g_ptr_array_index (seeds, i), &size);

      run_one (data, size);
    }
  for (guint64 i = 0; i < count; i++)
    {
      g_autoptr (GByteArray) input = g_byte_array_new ();

      splice (input, seeds);
      if (random_below (4) != 0)
        {
          GBytes *seed = g_ptr_array_index (seeds, random_below (seeds->len));

          g_byte_array_set_size (input, 0);
          g_byte_array_append (input, g_bytes_get_data (seed, NULL),
                               (guint) g_bytes_get_size (seed));
        }
      for (guint n = 1 + random_below (4); n > 0; n--)
        mutate (input, seeds);
      run_one (input->data, MIN (input->len, MAX_SIZE));
    }
  return EXIT_SUCCESS;
}
