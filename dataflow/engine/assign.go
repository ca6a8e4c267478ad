package engine

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// fit says whether values of one type can stand where another is wanted.
type fit uint8

const (
	fitsNever  fit = iota // whatever the value
	fitsMaybe             // the run decides: "12.50" is a decimal, "twelve" is not
	fitsAlways            // constraints of the field aside
)

type kinds [2]dataflow.Kind

// fits lists the pairs of differing kinds that can fit; codec.Coerce decides
// about the value. Pairs that are not here never do.
var fits = map[kinds]fit{
	{dataflow.KindInt, dataflow.KindDecimal}: fitsMaybe, // unless it has too many digits
	{dataflow.KindInt, dataflow.KindFloat}:   fitsAlways,

	{dataflow.KindFloat, dataflow.KindInt}:     fitsMaybe,
	{dataflow.KindFloat, dataflow.KindDecimal}: fitsMaybe,

	{dataflow.KindDecimal, dataflow.KindInt}:   fitsMaybe,
	{dataflow.KindDecimal, dataflow.KindFloat}: fitsMaybe,

	{dataflow.KindString, dataflow.KindDecimal}:  fitsMaybe,
	{dataflow.KindString, dataflow.KindDateTime}: fitsMaybe,
	{dataflow.KindString, dataflow.KindDate}:     fitsMaybe,
	{dataflow.KindString, dataflow.KindTime}:     fitsMaybe,
	{dataflow.KindString, dataflow.KindUUID}:     fitsMaybe,
	{dataflow.KindString, dataflow.KindBytes}:    fitsMaybe,
	{dataflow.KindString, dataflow.KindEnum}:     fitsMaybe,

	{dataflow.KindUUID, dataflow.KindString}: fitsAlways,
	{dataflow.KindEnum, dataflow.KindString}: fitsAlways,

	{dataflow.KindObject, dataflow.KindRecord}: fitsMaybe,
}

// assignable says whether a value of type from can be given where to is
// wanted.
func assignable(from, to *dataflow.Type) fit {
	if to.Kind == dataflow.KindAny || to.Kind == dataflow.KindJSON {
		return fitsAlways
	}
	if from.Kind == dataflow.KindAny || from.Kind == dataflow.KindJSON {
		return fitsMaybe
	}
	if from.Kind == dataflow.KindRef && to.Kind == dataflow.KindRef &&
		from.Model != nil && to.Model != nil && from.Model != to.Model {
		return fitsNever // the id of another model's row
	}
	from, to = from.Scalar(), to.Scalar()
	switch {
	case from.Kind == to.Kind:
	case from.Kind == dataflow.KindRecord && to.Kind == dataflow.KindObject:
		return objectFit(from, to)
	case from.Kind == dataflow.KindEnum && to.Kind != dataflow.KindString:
		return min(assignable(dataflow.String, to), fitsMaybe)
	default:
		return fits[kinds{from.Kind, to.Kind}]
	}
	switch to.Kind {
	case dataflow.KindList:
		return assignable(from.Elem, to.Elem)
	case dataflow.KindEnum:
		return enumFit(from, to)
	case dataflow.KindRecord:
		if from.Model != to.Model {
			return fitsNever
		}
	case dataflow.KindObject:
		return objectFit(from, to)
	case dataflow.KindDecimal:
		if from.Precision == 0 || to.Precision-to.Scale < from.Precision-from.Scale || to.Scale < from.Scale {
			return fitsMaybe
		}
	}
	return fitsAlways
}

func enumFit(from, to *dataflow.Type) fit {
	shared := 0
	for _, v := range from.Values {
		if slices.Contains(to.Values, v) {
			shared++
		}
	}
	switch shared {
	case 0:
		return fitsNever
	case len(from.Values):
		return fitsAlways
	}
	return fitsMaybe
}

// objectFit is fitsNever if a field both have can't fit.
func objectFit(from, to *dataflow.Type) fit {
	if to.Fields == nil {
		return fitsAlways
	}
	if from.Fields == nil && from.Kind == dataflow.KindObject {
		return fitsMaybe
	}
	least := fitsAlways
	for _, f := range to.Fields {
		if t, known, ok := from.Attr(f.Name); ok && known {
			least = min(least, assignable(t, f.Type))
		} else {
			least = min(least, fitsMaybe)
		}
	}
	return least
}
