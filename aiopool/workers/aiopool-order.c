/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-order-private.h"

static GVariant *
copy_variant (GVariant *variant)
{
  g_autoptr (AiopoolPayload) copy = NULL;
  AiopoolPayloadView view;

  aiopool_payload_view_variant (&view, variant);
  copy = aiopool_payload_new_copy (&view);
  return aiopool_payload_dup_variant (copy, FALSE);
}

static GUnixFDList *
copy_fds (GUnixFDList *fds)
{
  GUnixFDList *copy = g_unix_fd_list_new ();
  int n;
  const int *array = g_unix_fd_list_peek_fds (fds, &n);

  for (int i = 0; i < n; i++)
    {
      g_autoptr (GError) error = NULL;

      if (g_unix_fd_list_append (copy, array[i], &error) < 0)
        g_warning ("Cannot keep a descriptor of a task: %s", error->message);
    }
  return copy;
}

/* A deep copy without the limits, for what is run as often as need be: who drops it touches nothing
 * that somebody else made, but for shared data, which see to that themselves. */
AiopoolSpec *
aiopool_spec_copy (const AiopoolSpec *self)
{
  AiopoolSpec *copy = g_new0 (AiopoolSpec, 1);
  AiopoolSpecOptions *options = g_new0 (AiopoolSpecOptions, 1);
  AiopoolPayloadView view;

  aiopool_payload_get_view (self->argument, &view);
  if (self->options->keywords != NULL)
    options->keywords = copy_variant (self->options->keywords);
  if (self->options->fds != NULL)
    options->fds = copy_fds (self->options->fds);
  if (self->options->shared != NULL)
    options->shared = aiopool_shared_own (self->options->shared);
  copy->function = self->function;
  copy->argument = aiopool_payload_new_copy (&view);
  copy->options = options;
  return copy;
}

void
aiopool_spec_free (AiopoolSpec *self)
{
  g_autofree AiopoolSpecOptions *options = (AiopoolSpecOptions *) self->options;

  g_clear_pointer (&options->keywords, g_variant_unref);
  g_clear_object (&options->fds);
  g_clear_pointer (&options->shared, aiopool_shared_disown);
  aiopool_payload_unref (self->argument);
  g_free (self);
}

void
aiopool_outcome_clear (AiopoolOutcome *self)
{
  g_clear_pointer (&self->payload, aiopool_payload_unref);
  g_clear_error (&self->error);
  g_clear_object (&self->info);
  g_clear_object (&self->fds);
  g_clear_pointer (&self->last_lines, g_free);
}

void
aiopool_items_clear (AiopoolItems *self)
{
  g_clear_pointer (&self->values, aiopool_payload_unref);
  g_clear_pointer (&self->run_times, g_free);
  aiopool_outcome_clear (&self->outcome);
}

void
aiopool_event_clear (AiopoolEvent *self)
{
  aiopool_items_clear (&self->items);
  aiopool_outcome_clear (&self->outcome);
  g_clear_pointer (&self->text, g_free);
  g_clear_object (&self->record);
}
