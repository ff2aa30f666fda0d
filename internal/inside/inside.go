// Package inside goes through policies and those that groups are made of, each once: for
// whoever listens to all of them, or reads what they tell.
package inside

import "reflect"

// maxDepth bounds groups within groups, which may be made anew each time that they are asked.
const maxDepth = 8

// Each calls visit for each policy that is not nil, the outermost first, and for those that
// visit returns: Of, where nothing speaks against it. One that is there several times is visited
// once, as far as that can be told.
func Each[P any](policies []P, visit func(P) []P) {
	each(policies, visit, map[any]bool{}, 0)
}

func each[P any](policies []P, visit func(P) []P, seen map[any]bool, depth int) {
	for _, p := range policies {
		if of := reflect.ValueOf(p); !of.IsValid() || of.Kind() == reflect.Pointer && of.IsNil() {
			continue
		}
		if is := Identity(p); is != nil {
			if seen[is] {
				continue
			}
			seen[is] = true
		}
		if inner := visit(p); depth < maxDepth {
			each(inner, visit, seen, depth+1)
		}
	}
}

// Of returns the policies that p is made of, where it is a group.
func Of[P any](p P) []P {
	if group, ok := any(p).(interface{ Inside() []P }); ok {
		return group.Inside()
	}
	return nil
}

// Identity returns what v is known by, as a key of a map; nil: there is no telling two apart, as of
// functions.
func Identity(v any) any {
	if of := reflect.ValueOf(v); !of.IsValid() || !of.Comparable() {
		return nil
	}
	return v
}

// Tellers returns those of the policies that are a T, also inside groups, with what each is known
// by: what it shares with others, where it has a method Owner that says so, else itself. Of several
// that are known by the same it returns the first.
func Tellers[T, P any](policies []P) (tell []T, known []any) {
	seen := map[any]bool{}
	Each(policies, func(p P) []P {
		if t, ok := any(p).(T); ok {
			if is := owner(p); is == nil || !seen[is] {
				seen[is] = true
				tell, known = append(tell, t), append(known, is)
			}
		}
		return Of(p)
	})
	return tell, known
}

func owner(p any) any {
	if shares, ok := p.(interface{ Owner() any }); ok {
		if of := Identity(shares.Owner()); of != nil {
			return of
		}
	}
	return Identity(p)
}
