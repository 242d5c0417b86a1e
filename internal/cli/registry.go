package cli

import (
	"errors"
	"fmt"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/registry/client"
)

// registry is the client of the registry that the settings name, or nil where they name none. It is closed with the command.
func (a *app) registry() (*client.Client, error) {
	if a.schemas != nil {
		return a.schemas, nil
	}
	cfg, named, err := client.ConfigFrom(a.settings.lookup)
	if err != nil {
		return nil, fail(codeSettings, "the settings of the schema registry cannot be used").at("setting", "%s", a.withOrigin(oneline.Text(err.Error()))).
			fix("omnibus config show --origin says where each is from")
	}
	if !named {
		return nil, nil //nolint:nilnil // to have none is a valid choice
	}
	cfg.Timeout = min(client.DefaultTimeout, a.flags.timeout)
	a.schemas, err = client.New(cfg)
	return a.schemas, err
}

// needRegistry is the registry that the settings name, or the one that "omnibus up" runs here.
func (a *app) needRegistry() (*client.Client, error) {
	c, err := a.registry()
	if c != nil || err != nil {
		return c, err
	}
	a.schemas, err = client.New(client.Config{
		URL: "http://localhost:" + a.settings.get("OMNIBUS_PORT_REGISTRY").value, Timeout: min(client.DefaultTimeout, a.flags.timeout),
	})
	return a.schemas, err
}

// explainRegistry explains errors of asking the schema registry.
func (a *app) explainRegistry(err error) *failure {
	from := a.settings.get("SCHEMA_REGISTRY_URL")
	said, _ := errors.AsType[*client.Error](err)
	if from.value == "" && said != nil {
		from.value, from.origin = said.URL, "where \"omnibus up\" has it"
	}
	where := fmt.Sprintf("%s (from %s)", from.value, from.origin)
	switch {
	case said != nil && errors.Is(err, client.ErrUnauthorized):
		return fail(codeAuth, "the schema registry refused the login or the operation").at("registry", "%s", where).because("%s", clip(said.Error(), 300)).
			fix("check SCHEMA_REGISTRY_BASIC_AUTH_FILE: omnibus config show --origin")
	case said != nil && (errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrUnsupported)):
		return fail(codeRegistry, "no schema registry answers at %s", from.value).at("registry", "%s", where).because("%s", clip(said.Error(), 300)).
			fix("start the registry there, or change the address: --registry URL, or SCHEMA_REGISTRY_URL").fix("omnibus doctor registry")
	case errors.Is(err, bus.ErrNoSchema) && said == nil && from.value == "":
		return fail(codeRegistered, "the id of a schema is needed, and there is no registry to ask for it").because("%s", clip(oneline.Cause(err), 300)).
			fix("--registry URL, or SCHEMA_REGISTRY_URL").fix("OMNIBUS_SCHEMA_ID=header needs no registry, and none no id")
	case said != nil || errors.Is(err, bus.ErrNoSchema):
		why := oneline.Cause(err)
		if said != nil {
			why = said.Error()
		}
		f := fail(codeRegistered, "the schema registry does not have the schema, or does not take it").at("registry", "%s", where).because("%s", clip(why, 400))
		if t := topicOf(err); t != "" {
			f.details = append([]detail{{"topic", string(t)}}, f.details...)
		}
		return f.fix("register it under the topic's name with \"-value\" behind it").fix("OMNIBUS_SCHEMA_ID=header needs no registry, and none no id")
	}
	return nil
}
