# SPDX-License-Identifier: Apache-2.0
# A cluster of heatgen as a resource of OpenTofu or Terraform: doc/how-to/use-terraform.rst.

terraform {
  required_version = ">= 1.4"
  required_providers {
    openstack = {
      source  = "terraform-provider-openstack/openstack"
      version = "~> 3.4"
    }
  }
}

# Credentials are those of every OpenStack client: OS_CLOUD or OS_AUTH_URL and the related variables.
provider "openstack" {}

variable "name" {
  type        = string
  description = "Name of the stack; the provider cannot rename a stack"
  default     = "demo"
}

variable "parameters" {
  type        = map(string)
  description = "Parameters of the template that differ from the defaults, such as worker_count"
  default     = {}
}

locals {
  template = file("${path.root}/generated.yaml")
  defaults = {
    for name, parameter in yamldecode(local.template).parameters : name => tostring(parameter.default)
  }
  # The provider reads all parameters of the stack: those that are not set here would be drift.
  parameters = merge(local.defaults, var.parameters)
}

resource "openstack_orchestration_stack_v1" "cluster" {
  name             = var.name
  template_opts    = { Bin = local.template }
  environment_opts = { Bin = "{}" } # required by the provider
  parameters       = local.parameters
  tags             = ["heatgen"] # without any tag, every plan would change the stack
  disable_rollback = true        # keep failed resources for inspection; the next update continues

  timeouts {
    create = "60m"
    delete = "60m" # the provider uses this limit for updates, too
  }

  lifecycle {
    precondition {
      condition     = length(setsubtract(keys(var.parameters), keys(local.defaults))) == 0
      error_message = "A name in var.parameters is not a parameter of generated.yaml."
    }
  }
}

# The kubeconfig contains the administrator's key, so heatgen writes it to a file of mode 0600, and
# the state contains only the name of the file. It is written again after a rotation.
resource "terraform_data" "kubeconfig" {
  input = "${path.root}/kubeconfig"
  triggers_replace = [
    openstack_orchestration_stack_v1.cluster.id,
    local.parameters["authority_generations"],
    local.parameters["certificates_generation"],
  ]

  provisioner "local-exec" {
    command     = "heatgen kubeconfig \"$STACK\" -o \"$FILE\""
    environment = { STACK = openstack_orchestration_stack_v1.cluster.name, FILE = self.input }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "rm -f \"$FILE\""
    environment = { FILE = self.input }
  }
}

output "stack" {
  description = "Id of the stack"
  value       = openstack_orchestration_stack_v1.cluster.id
}

output "kubeconfig" {
  description = "File with the administrator's kubeconfig"
  value       = terraform_data.kubeconfig.output
}
