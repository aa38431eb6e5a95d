/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "aiopool/workers/aiopool-launcher-fields-private.h"
#include "aiopool/workers/aiopool-launcher-private.h"

#include "aiopool/base/aiopool-error.h"

#include <string.h>

/* Whether the workers of a launcher run in a sandbox, and what makes it.
 *
 * That is decided once, by whoever comes first: one who asks, or the engine before the first
 * worker. It is the same for all workers of the launcher and of its copies, which share the choice.
 * A sandbox that is required and cannot be had is no decision: the next worker tries again. The
 * proof that a wrapper works here holds for the process. */

struct _AiopoolSandboxChoice
{
  int                ref_count;  /* atomic */
  GMutex             lock;       /* guards what follows */
  gboolean           is_decided;
  AiopoolSandboxKind kind;
  char              *program;    /* (owned) (nullable): the wrapper; only set with the decision */
};

static GMutex proof_lock;
static char *proved; /* (owned) (nullable): the wrapper that worked last; under proof_lock */

AiopoolSandboxChoice *
aiopool_sandbox_choice_new (void)
{
  AiopoolSandboxChoice *self = g_new0 (AiopoolSandboxChoice, 1);

  self->ref_count = 1;
  g_mutex_init (&self->lock);
  return self;
}

AiopoolSandboxChoice *
aiopool_sandbox_choice_ref (AiopoolSandboxChoice *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
aiopool_sandbox_choice_unref (AiopoolSandboxChoice *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_mutex_clear (&self->lock);
  g_free (self->program);
  g_free (self);
}

static void
shared_path_free (gpointer data)
{
  AiopoolSharedPath *shared = data;

  g_free (shared->path);
  g_free (shared);
}

static void
add_shared (AiopoolLauncher *self,
            const char      *path,
            gboolean         is_writable)
{
  AiopoolSharedPath *shared = g_new (AiopoolSharedPath, 1);

  shared->path = g_canonicalize_filename (path, NULL);
  shared->is_writable = is_writable;
  g_ptr_array_add (self->shared, shared);
}

void
aiopool_launcher_init_sandbox (AiopoolLauncher *self)
{
  self->shared = g_ptr_array_new_with_free_func (shared_path_free);
  self->choice = aiopool_sandbox_choice_new ();
}

void
aiopool_launcher_copy_sandbox (AiopoolLauncher *self,
                               AiopoolLauncher *copy)
{
  for (guint i = 0; i < self->shared->len; i++)
    {
      const AiopoolSharedPath *shared = g_ptr_array_index (self->shared, i);

      add_shared (copy, shared->path, shared->is_writable);
    }
  copy->sandbox = self->sandbox;
  aiopool_sandbox_choice_unref (copy->choice);
  copy->choice = aiopool_sandbox_choice_ref (self->choice);
}

/* It is asked once whether a program that is there does what it should: that may be forbidden. */
static gboolean
prove (AiopoolSandboxKind  kind,
       const char         *program,
       GError            **error)
{
  gboolean works;

  g_mutex_lock (&proof_lock);
  works = g_strcmp0 (program, proved) == 0;
  if (!works && aiopool_launcher_try_wrapper (kind, program, error))
    {
      g_free (proved);
      proved = g_strdup (program);
      works = TRUE;
    }
  g_mutex_unlock (&proof_lock);
  return works;
}

static char *
find_wrapper (AiopoolSandboxKind *kind,
              GError            **error)
{
  g_autofree char *program = NULL;

  *kind = aiopool_wrapper_get_kind ();
  program = aiopool_wrapper_find (*kind);
  if (program == NULL)
    g_set_error (error, AIOPOOL_POOL_ERROR, AIOPOOL_POOL_ERROR_SANDBOX,
                 "There is no sandbox for workers: the program '%s' is not there",
                 aiopool_wrapper_get_name (*kind));
  else if (prove (*kind, program, error))
    return g_steal_pointer (&program);
  return NULL;
}

/* Under the choice's lock. @why: (out): if there is none that was wanted. */
static void
decide (AiopoolLauncher  *self,
        GError          **why)
{
  AiopoolSandboxChoice *choice = self->choice;

  if (choice->is_decided)
    return;
  if (self->sandbox != AIOPOOL_SANDBOX_NONE)
    choice->program = find_wrapper (&choice->kind, why);
  if (choice->program == NULL)
    choice->kind = AIOPOOL_SANDBOX_KIND_NONE;
  choice->is_decided = *why == NULL || self->sandbox == AIOPOOL_SANDBOX_PREFER;
}

/* Decides if nobody has. @program: (out) (transfer none) (nullable): the wrapper. May take
 * seconds, if a wrapper neither works nor fails. */
gboolean
aiopool_launcher_choose_sandbox (AiopoolLauncher     *self,
                                 AiopoolSandboxKind  *kind,
                                 const char         **program,
                                 GError             **error)
{
  g_autoptr (GError) why = NULL;
  gboolean is_decided;

  g_mutex_lock (&self->choice->lock);
  decide (self, &why);
  is_decided = self->choice->is_decided;
  *kind = self->choice->kind;
  *program = self->choice->program;
  g_mutex_unlock (&self->choice->lock);
  if (why != NULL && is_decided)
    g_warning ("Workers run without a sandbox. %s", why->message);
  else if (why != NULL)
    g_propagate_error (error, g_steal_pointer (&why));
  return is_decided;
}

/* Whether workers may share memory that they can change: never in a sandbox, nor where one was
 * wanted. */
gboolean
aiopool_launcher_shares_memory (AiopoolLauncher *self)
{
  return self->is_trusted && self->sandbox == AIOPOOL_SANDBOX_NONE;
}

/**
 * aiopool_launcher_set_sandbox:
 * @self: a launcher
 * @sandbox: whether workers run in a sandbox
 *
 * Sets whether workers run in a sandbox.
 *
 * A sandboxed worker has no network, sees no other processes, reads the system but not the files of
 * users and services, and writes only to a `/tmp` of its own and to what
 * [method@Aiopool.Launcher.share_path] gives it. It runs in `/tmp` unless
 * [method@Aiopool.Launcher.set_directory] says otherwise. It is not trusted, whatever
 * [method@Aiopool.Launcher.set_trusted] says. See [Sandbox](sandbox.html).
 *
 * The default is %AIOPOOL_SANDBOX_NONE.
 *
 * Since: 0.1
 */
void
aiopool_launcher_set_sandbox (AiopoolLauncher *self,
                              AiopoolSandbox   sandbox)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (sandbox <= AIOPOOL_SANDBOX_REQUIRE);
  g_return_if_fail (!self->is_frozen);

  if (self->sandbox == sandbox)
    return;
  self->sandbox = sandbox;
  aiopool_sandbox_choice_unref (self->choice);
  self->choice = aiopool_sandbox_choice_new ();
  g_object_notify (G_OBJECT (self), "sandbox");
}

/**
 * aiopool_launcher_get_sandbox:
 * @self: a launcher
 *
 * Gets whether workers are to run in a sandbox.
 *
 * Returns: what was set
 *
 * Since: 0.1
 */
AiopoolSandbox
aiopool_launcher_get_sandbox (AiopoolLauncher *self)
{
  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), AIOPOOL_SANDBOX_NONE);

  return self->sandbox;
}

/**
 * aiopool_launcher_get_sandbox_kind:
 * @self: a launcher
 *
 * Gets what makes the sandbox that workers run in.
 *
 * The first time, unless a worker was started before, this tries whether there is a sandbox: it
 * starts a process in one and waits for it. That takes some milliseconds, and 5 seconds where the
 * system neither makes one nor says that it cannot. It works in any thread once a pool uses the
 * launcher, and iterates no main context.
 *
 * Returns: %AIOPOOL_SANDBOX_KIND_NONE if workers run without one, or if one is required and there
 * is
 *   none, so that no worker can run
 *
 * Since: 0.1
 */
AiopoolSandboxKind
aiopool_launcher_get_sandbox_kind (AiopoolLauncher *self)
{
  AiopoolSandboxKind kind;
  const char *program;

  g_return_val_if_fail (AIOPOOL_IS_LAUNCHER (self), AIOPOOL_SANDBOX_KIND_NONE);

  aiopool_launcher_choose_sandbox (self, &kind, &program, NULL);
  return kind;
}

/**
 * aiopool_launcher_share_path:
 * @self: a launcher
 * @path: (type filename): an absolute path of a file or directory that is there
 * @writable: whether workers may change it
 *
 * Lets workers in a sandbox see a file, or a directory with everything in it, at the same path.
 *
 * Later calls win where one path is in another. A path that is not there when a worker starts fails
 * the start with %AIOPOOL_POOL_ERROR_START_FAILED. Workers without a sandbox see what they can
 * anyway.
 *
 * Since: 0.1
 */
void
aiopool_launcher_share_path (AiopoolLauncher *self,
                             const char      *path,
                             gboolean         writable)
{
  g_return_if_fail (AIOPOOL_IS_LAUNCHER (self));
  g_return_if_fail (path != NULL && g_path_is_absolute (path));
  g_return_if_fail (!self->is_frozen);

  add_shared (self, path, !!writable);
}
