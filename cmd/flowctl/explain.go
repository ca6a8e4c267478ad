package main

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/spf13/cobra"
)

func explainCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE",
		Short: "Say what a code of check means",
		Long:  `explain says what a code means, why it is reported and what to write instead.`,
		Args:  takes("CODE"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, ok := check.Explain(args[0])
			if !ok {
				hint := dataflow.DidYouMean(args[0], codeNames())
				if hint == "" {
					hint = "codes are FC and three digits, as FC230; docs/errors/diagnostics.md lists them"
				}
				return &usageError{fmt.Sprintf("there is no code %q", args[0]), hint}
			}
			_, err := fmt.Fprint(w.out, text)
			return err
		},
	}
}

func codeNames() []string {
	var names []string
	for _, c := range dataflow.Codes() {
		names = append(names, c.Code)
	}
	return names
}
