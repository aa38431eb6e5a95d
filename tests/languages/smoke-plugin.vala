// SPDX-License-Identifier: LGPL-2.1-or-later

// A plug-in of the stock worker, in Vala.

Variant? shout (Aiopool.Call call, Variant? arguments) throws Error {
    string text;

    arguments.get ("(s)", out text);
    if (text == "")
        throw new IOError.INVALID_ARGUMENT ("nothing to shout");
    return new Variant.string (text.up ());
}

[CCode (cname = "aiopool_plugin_register")]
public void register_functions (Aiopool.Service service) {
    service.add ("shout", shout);
}
