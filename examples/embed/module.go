package main

import (
	"fmt"
	"net/url"

	lang "go.starlark.net/starlark"

	"github.com/flowctl/flowctl/starlark"
)

// linksModule is what app.star loads as "@bookmarks//links.star": one function
// written in Go. It decides by its argument alone, and says so.
func linksModule() starlark.Module {
	return starlark.Module{
		Name:       "@bookmarks//links.star",
		Doc:        "What there is to know about a link without following it.",
		Members:    lang.StringDict{"host": lang.NewBuiltin("host", host)},
		Capability: "pure",
	}
}

func host(_ *lang.Thread, b *lang.Builtin, args lang.Tuple, kwargs []lang.Tuple) (lang.Value, error) {
	var link string
	if err := lang.UnpackArgs(b.Name(), args, kwargs, "url", &link); err != nil {
		return nil, err
	}
	u, err := url.Parse(link)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is no URL", b.Name(), link)
	}
	return lang.String(u.Hostname()), nil
}
