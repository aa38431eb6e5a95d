// SPDX-License-Identifier: LGPL-2.1-or-later

GLib.Variant? square (Aiopool.Call call, GLib.Variant? arguments) throws GLib.Error {
    int64 number = arguments.get_child_value (0).get_int64 ();
    return new GLib.Variant.int64 (number * number);
}

async void run () {
    var pool = new Aiopool.Pool (2);
    var task = new Aiopool.Task ("square", new GLib.Variant ("(x)", (int64) 12));

    try {
        var result = yield pool.run_async (task);
        print ("%s\n", result.print (false));
    } catch (GLib.Error error) {
        printerr ("%s\n", error.message);
    }
}

void main () {
    Aiopool.Service.enter ((service) => service.add ("square", square));

    var loop = new GLib.MainLoop ();
    run.begin (() => loop.quit ());
    loop.run ();
}
