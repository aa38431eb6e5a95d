/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "aiopool/cli/aiopool-cli-template-private.h"

#include <string.h>

#include "aiopool/cli/aiopool-cli-quotes-private.h"
#include "aiopool/cli/aiopool-cli-words-private.h"

/* Where a shell is used, no item may become code, whatever it holds and wherever its place is. So
 * the text of an item never enters the line: it is assigned to a shell variable in front of the
 * line, quoted, in a place of which we know everything, and the line refers to the variable. A
 * shell does not read the value of a variable as code.
 *
 *   aiopool run 'echo "<{}>" >{/}.txt'   ->   aiopool_item='...'; aiopool_name='...';
 *                                             echo "<${aiopool_item}>" >"${aiopool_name}".txt
 *
 * How to refer to it depends on the quotes around the place, which the scanner follows. Were it
 * wrong about them (it does not know here-documents), the item would be split in words or appear
 * with quotes, but still not run. */

typedef enum
{
  PART_TEXT,
  PART_NUMBER,
  PART_ITEM,
  PART_STEM,
  PART_NAME,
  PART_DIR,
  PART_NAME_STEM,
  N_PARTS
} PartKind;

typedef struct
{
  PartKind    kind;
  const char *token;
  const char *variable;
} Place;

/* Longer tokens first: none is the beginning of one behind it. */
static const Place places[] = {
  { PART_NAME_STEM, "{/.}", "aiopool_name_stem" },
  { PART_DIR, "{//}", "aiopool_dir" },
  { PART_STEM, "{.}", "aiopool_stem" },
  { PART_NAME, "{/}", "aiopool_name" },
  { PART_NUMBER, "{#}", NULL },
  { PART_ITEM, "{}", "aiopool_item" },
};

typedef struct
{
  PartKind  kind;
  CliQuotes quotes;  /* not of PART_TEXT */
  char     *text;    /* (owned) (nullable) of PART_TEXT */
} Part;

typedef struct
{
  GArray  *parts;            /* (owned) of Part */
  gboolean has_place;
} Word;

struct _CliTemplate
{
  GPtrArray *words;          /* (owned) of Word; one if it is a line */
  gboolean   is_line;
  gboolean   is_used[N_PARTS];
};

/* --- parts ------------------------------------------------------------------------------------ */

static void
clear_part (gpointer data)
{
  Part *part = data;

  g_free (part->text);
}

static void
free_word (gpointer data)
{
  Word *word = data;

  g_array_unref (word->parts);
  g_free (word);
}

static Word *
new_word (void)
{
  Word *word = g_new0 (Word, 1);

  word->parts = g_array_new (FALSE, FALSE, sizeof (Part));
  g_array_set_clear_func (word->parts, clear_part);
  return word;
}

static void
add_text (Word       *word,
          const char *start,
          const char *end)
{
  Part part = { PART_TEXT, CLI_QUOTES_NONE, NULL };

  if (start == end)
    return;

  part.text = g_strndup (start, end - start);
  g_array_append_val (word->parts, part);
}

static void
add_place (CliTemplate *self,
           Word        *word,
           PartKind     kind,
           CliQuotes    quotes)
{
  Part part = { kind, quotes, NULL };

  g_array_append_val (word->parts, part);
  word->has_place = TRUE;
  self->is_used[kind] = TRUE;
}

static const Place *
find_place (const char *at)
{
  gsize i = 0;

  for (i = 0; *at == '{' && i < G_N_ELEMENTS (places); i++)
    if (g_str_has_prefix (at, places[i].token))
      return &places[i];

  return NULL;
}

/* --- words ------------------------------------------------------------------------------------ */

static Word *
parse_word (CliTemplate *self,
            const char  *text)
{
  Word *word = new_word ();
  const char *start = text;
  const char *at = text;

  while (*at != '\0')
    {
      const Place *place = find_place (at);

      if (place == NULL)
        {
          at++;
          continue;
        }

      add_text (word, start, at);
      add_place (self, word, place->kind, CLI_QUOTES_NONE);
      start = at += strlen (place->token);
    }

  add_text (word, start, at);
  return word;
}

/* --- a shell line ----------------------------------------------------------------------------- */

static Word *
parse_line (CliTemplate *self,
            const char  *line)
{
  g_autoptr (CliQuoteScanner) scanner = cli_quote_scanner_new (line);
  Word *word = new_word ();
  const char *start = line;
  const char *at = line;

  while (*at != '\0')
    {
      gboolean is_expansion = at > line && at[-1] == '$'; /* the shell's own: ${#} */
      const Place *place = is_expansion ? NULL : find_place (at);

      if (place == NULL)
        {
          at += cli_quote_scanner_step (scanner, at);
          continue;
        }

      add_text (word, start, at);
      add_place (self, word, place->kind, cli_quote_scanner_get (scanner));
      start = at += strlen (place->token);
    }

  add_text (word, start, at);
  return word;
}

/* --- construction ----------------------------------------------------------------------------- */

static gboolean
check_command (const char *const *words,
               GError           **error)
{
  if (words[0] != NULL && words[0][strspn (words[0], " \t\n")] != '\0')
    return TRUE;

  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "there is no command");
  return FALSE;
}

/* An item that is put behind "cmd;" would be a command of its own. */
static gboolean
append_place (CliTemplate *self,
              char        *line,
              GError     **error)
{
  Word *word = NULL;

  g_strchomp (line);
  if (strchr (";&|(`", line[strlen (line) - 1]) == NULL)
    {
      g_autofree char *longer = g_strconcat (line, " {}", NULL);

      word = parse_line (self, longer);
      g_ptr_array_add (self->words, word);
      return TRUE;
    }

  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "the command ends with '%c' and has no {} to say where the item goes",
               line[strlen (line) - 1]);
  return FALSE;
}

static gboolean
add_line (CliTemplate *self,
          const char  *line,
          GError     **error)
{
  Word *word = parse_line (self, line);
  g_autofree char *copy = g_strdup (line);

  if (!word->has_place)
    {
      free_word (word);
      return append_place (self, copy, error);
    }

  g_ptr_array_add (self->words, word);
  return TRUE;
}

static void
add_words (CliTemplate       *self,
           const char *const *words)
{
  gboolean has_place = FALSE;
  gsize i = 0;

  for (i = 0; words[i] != NULL; i++)
    {
      Word *word = parse_word (self, words[i]);

      has_place |= word->has_place;
      g_ptr_array_add (self->words, word);
    }

  if (!has_place)
    g_ptr_array_add (self->words, parse_word (self, "{}"));
}

CliTemplate *
cli_template_new (const char *const *words,
                  GError           **error)
{
  g_autoptr (CliTemplate) self = NULL;

  if (!check_command (words, error))
    return NULL;

  self = g_new0 (CliTemplate, 1);
  self->words = g_ptr_array_new_with_free_func (free_word);
  self->is_line = words[1] == NULL;
  if (!self->is_line)
    add_words (self, words);
  else if (!add_line (self, words[0], error))
    return NULL;

  return g_steal_pointer (&self);
}

void
cli_template_free (CliTemplate *self)
{
  g_ptr_array_unref (self->words);
  g_free (self);
}

/* --- expansion -------------------------------------------------------------------------------- */

/* Without the extension; the dot of a hidden file begins none. */
static char *
dup_stem (const char *path)
{
  const char *slash = strrchr (path, '/');
  const char *name = slash != NULL ? slash + 1 : path;
  const char *dot = strrchr (name, '.');

  return dot != NULL && dot > name ? g_strndup (path, dot - path) : g_strdup (path);
}

static char *
dup_value (PartKind    kind,
           const char *item,
           guint64     number)
{
  g_autofree char *name = NULL;

  switch (kind)
    {
    case PART_NUMBER:
      return g_strdup_printf ("%" G_GUINT64_FORMAT, number);
    case PART_STEM:
      return dup_stem (item);
    case PART_NAME:
      return g_path_get_basename (item);
    case PART_DIR:
      return g_path_get_dirname (item);
    case PART_NAME_STEM:
      name = g_path_get_basename (item);
      return dup_stem (name);
    case PART_ITEM:
    case PART_TEXT:
    case N_PARTS:
    default:
      return g_strdup (item);
    }
}

static char *
expand_word (const Word *word,
             const char *item,
             guint64     number)
{
  GString *text = g_string_new (NULL);
  guint i = 0;

  for (i = 0; i < word->parts->len; i++)
    {
      const Part *part = &g_array_index (word->parts, Part, i);
      g_autofree char *value = NULL;

      if (part->kind != PART_TEXT)
        value = dup_value (part->kind, item, number);
      g_string_append (text, value != NULL ? value : part->text);
    }

  return g_string_free (text, FALSE);
}

static void
append_reference (GString    *line,
                  const Part *part)
{
  const char *variable = NULL;
  gsize i = 0;

  for (i = 0; i < G_N_ELEMENTS (places); i++)
    if (places[i].kind == part->kind)
      variable = places[i].variable;

  if (part->quotes == CLI_QUOTES_SINGLE)
    g_string_append_printf (line, "'\"${%s}\"'", variable);
  else if (part->quotes == CLI_QUOTES_DOUBLE)
    g_string_append_printf (line, "${%s}", variable);
  else
    g_string_append_printf (line, "\"${%s}\"", variable);
}

static void
append_assignments (CliTemplate *self,
                    GString     *line,
                    const char  *item)
{
  gsize i = 0;

  for (i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *value = NULL;
      g_autofree char *quoted = NULL;

      if (places[i].variable == NULL || !self->is_used[places[i].kind])
        continue;

      value = dup_value (places[i].kind, item, 0);
      quoted = g_shell_quote (value);
      g_string_append_printf (line, "%s=%s; ", places[i].variable, quoted);
    }
}

static char *
expand_line (CliTemplate *self,
             const char  *item,
             guint64      number)
{
  const Word *word = g_ptr_array_index (self->words, 0);
  GString *line = g_string_new (NULL);
  guint i = 0;

  append_assignments (self, line, item);
  for (i = 0; i < word->parts->len; i++)
    {
      const Part *part = &g_array_index (word->parts, Part, i);

      if (part->kind == PART_TEXT)
        g_string_append (line, part->text);
      else if (part->kind == PART_NUMBER)
        g_string_append_printf (line, "%" G_GUINT64_FORMAT, number);
      else
        append_reference (line, part);
    }

  return g_string_free (line, FALSE);
}

char **
cli_template_expand (CliTemplate *self,
                     const char  *item,
                     guint64      number)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *line = NULL;
  guint i = 0;

  if (self->is_line)
    {
      line = expand_line (self, item, number);
      g_strv_builder_add_many (builder, "/bin/sh", "-c", line, NULL);
      return g_strv_builder_end (builder);
    }

  for (i = 0; i < self->words->len; i++)
    {
      g_autofree char *word = expand_word (g_ptr_array_index (self->words, i), item, number);

      g_strv_builder_add (builder, word);
    }
  return g_strv_builder_end (builder);
}

char *
cli_template_describe (CliTemplate *self,
                       const char  *item,
                       guint64      number)
{
  g_auto (GStrv) argv = cli_template_expand (self, item, number);
  const char *line = self->is_line ? argv[2] : NULL;

  if (line != NULL && !cli_has_controls (line, strlen (line)))
    return g_strdup (line);

  return cli_dup_quoted_words ((const char *const *) argv);
}
