# SPDX-License-Identifier: LGPL-2.1-or-later
"""Futures as concurrent.futures has them, which cost nothing that nobody asks for.

A future here is a handle of the library. Who waits for its result waits for the handle itself: no
other thread has to wake up for that, no lock is made, and nothing is unpickled before it is wanted.

Only a future that somebody listens to, by a callback, by `wait()` or `as_completed()`, is *followed*:
added to the collector, whose thread tells of its end. What the functions of concurrent.futures look
at, under the condition of the future, is made when they do:

    _state      of a future that is followed is final only once its end has been told; another one is
                followed from then on, or, if it has ended, that is remembered, and not told later
    _waiters    follows the future, unless it was seen to have ended

So whoever has seen it unfinished will see that until it is told, under the condition, and `wait()`,
which looks twice, sees the same twice; who has seen it finished is not told.
"""

import threading
from concurrent.futures import CancelledError, InvalidStateError, TimeoutError
from concurrent.futures import Future as Base
from concurrent.futures._base import (
    CANCELLED_AND_NOTIFIED, FINISHED, LOGGER, PENDING, RUNNING)

from aiopool import _core
from aiopool._core import Handle

_making = threading.Lock()


class Future(Handle, Base):
    _final = None  # CANCELLED_AND_NOTIFIED or FINISHED
    _is_followed = False
    _own_condition = None
    _own_waiters = None
    _done_callbacks = ()
    _has_outcome = False
    _own_result = None
    _own_exception = None

    @classmethod
    def failed(cls, exception):
        return cls.ended(None, exception)

    @classmethod
    def ended(cls, result, exception):
        self = cls.__new__(cls)
        self._final = FINISHED
        self._own_result = result
        self._own_exception = exception
        self._has_outcome = True
        return self

    # What concurrent.futures looks at.

    @property
    def _condition(self):
        if self._own_condition is None:
            with _making:
                if self._own_condition is None:
                    self._own_condition = threading.Condition()
        return self._own_condition

    @property
    def _state(self):
        if self._final is None and not self._is_followed:
            if self.has_ended:
                self._finish()
            elif not _core.is_copy():
                self._follow()
        if self._final is None:
            return PENDING if self.state == _core.STATE_PENDING else RUNNING
        return self._final

    @property
    def _waiters(self):
        if self._own_waiters is None:
            self._own_waiters = []
        if _core.is_collector() and self._final is None:  # who waits here hears of it nevertheless
            self._is_followed = True
            _core.other_collector().add(self)
        else:
            self._follow()
        return self._own_waiters

    @property
    def _result(self):
        self._look()
        return self._own_result

    @property
    def _exception(self):
        self._look()
        return self._own_exception

    def _look(self):
        if not self._has_outcome and self.has_ended and not self.cancelled():
            self._wait_for_outcome(0)

    def _finish(self):
        is_cancelled = self.state == _core.STATE_CANCELLED
        self._final = CANCELLED_AND_NOTIFIED if is_cancelled else FINISHED

    def _follow(self):
        if self._final is None and not self._is_followed:
            self._is_followed = True
            _core.collector().add(self)

    def on_ended(self):
        """The future is followed and has ended; by the collector, or by who has cancelled it."""
        if self.n_bytes > _core.MUCH:  # a loop that is told now should not have to make it
            self._look()
        with self._condition:
            if self._final is not None:
                return
            self._finish()
            for waiter in self._own_waiters or ():
                if self._final is FINISHED and self._has_failed():
                    waiter.add_exception(self)
                elif self._final is FINISHED:
                    waiter.add_result(self)
                else:
                    waiter.add_cancelled(self)
            callbacks = self._done_callbacks
            self._done_callbacks = ()
            self._condition.notify_all()
        for function in callbacks:
            self._call(function)

    def _has_failed(self):
        if self._has_outcome:
            return self._own_exception is not None
        return self.state == _core.STATE_FAILED

    def _call(self, function):
        try:
            function(self)
        except BaseException as error:
            if not _core.is_callbacks_own(error):
                raise
            LOGGER.exception("exception calling callback for %r", self)

    # What others call.

    def add_done_callback(self, fn):
        with self._condition:
            if self._final is None and (self._is_followed or not self.has_ended):
                self._done_callbacks = (*self._done_callbacks, fn)
                self._follow()
                return
        self._call(fn)

    def cancel(self):
        if self._final is None and self.cancel_task(_core.CANCEL_PENDING):
            if self._is_followed:
                self.on_ended()
            return True
        return self.cancelled()

    def cancelled(self):
        if self._final is not None:
            return self._final is CANCELLED_AND_NOTIFIED
        return self.state == _core.STATE_CANCELLED

    def running(self):
        return self._final is None and self.state == _core.STATE_RUNNING

    def done(self):
        return self._final is not None or self.has_ended

    def result(self, timeout=None):
        if not self._has_outcome:
            self._wait_for_outcome(timeout)
        if self._own_exception is None:
            return self._own_result
        try:
            raise self._own_exception
        finally:
            self = None  # which the traceback would keep

    def exception(self, timeout=None):
        if not self._has_outcome:
            self._wait_for_outcome(timeout)
        return self._own_exception

    def _wait_for_outcome(self, timeout):
        if not self.wait(timeout):
            raise TimeoutError()
        state = self.state
        if state == _core.STATE_CANCELLED:
            raise CancelledError()
        if state == _core.STATE_FAILED:
            self._own_exception = self._translate(_core.make_failure(self))
        else:
            self._load_result()
        self._has_outcome = True

    def _load_result(self):
        try:
            self._own_result = self.load()
        except KeyboardInterrupt:  # by the person who waits
            raise
        except BaseException as exception:
            self._own_exception = exception.with_traceback(None)

    def _translate(self, exception):
        """What to raise instead of an error of the library."""
        return exception

    # What only executors call.

    def set_running_or_notify_cancel(self):
        raise InvalidStateError("the pool sets the state of its futures")

    def set_result(self, result):
        raise InvalidStateError("the pool sets the result of its futures")

    def set_exception(self, exception):
        raise InvalidStateError("the pool sets the exception of its futures")
