// SPDX-License-Identifier: Apache-2.0

// Prints the fields and types of KubeletConfiguration and KubeProxyConfiguration as JSON Schema.
// See ../test_configuration_types.py.
package main

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"strings"

	proxy "k8s.io/kube-proxy/config/v1alpha1"
	kubelet "k8s.io/kubelet/config/v1beta1"
)

// What time.ParseDuration accepts.
const duration = "^[-+]?(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$"

func schema(t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		return schema(t.Elem())
	}
	switch t.PkgPath() + "." + t.Name() {
	case "k8s.io/apimachinery/pkg/apis/meta/v1.Duration":
		return map[string]any{"type": "string", "pattern": duration, "rule": "must be a duration such as 30s or 1h30m"}
	case "k8s.io/component-base/logs/api/v1.TimeOrMetaDuration":
		return map[string]any{"type": []string{"string", "integer"}}
	case "k8s.io/apimachinery/pkg/api/resource.Quantity", "k8s.io/apimachinery/pkg/api/resource.QuantityValue":
		return map[string]any{"type": []string{"string", "integer"}}
	case "k8s.io/apimachinery/pkg/apis/meta/v1.Time":
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Int32:
		return map[string]any{"type": "integer", "minimum": math.MinInt32, "maximum": math.MaxInt32}
	case reflect.Uint32:
		return map[string]any{"type": "integer", "minimum": 0, "maximum": math.MaxUint32}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schema(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schema(t.Elem())}
	case reflect.Struct:
		fields := map[string]any{}
		add(t, fields)
		return map[string]any{"type": "object", "additionalProperties": false, "properties": fields}
	}
	panic("no schema of " + t.String())
}

func add(t reflect.Type, fields map[string]any) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("json")
		name, _, _ := strings.Cut(tag, ",")
		if name == "-" || f.PkgPath != "" {
			continue
		}
		if name == "" && (f.Anonymous || strings.Contains(tag, "inline")) {
			add(f.Type, fields)
			continue
		}
		if !ok {
			panic(t.Name() + "." + f.Name)
		}
		fields[name] = schema(f.Type)
	}
}

func main() {
	found := map[string]any{
		"kubelet":    schema(reflect.TypeFor[kubelet.KubeletConfiguration]()),
		"kube-proxy": schema(reflect.TypeFor[proxy.KubeProxyConfiguration]()),
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}
